-- SHA-256 of each text, hexadecimal, in order. The server computes it, so that the file in the binary and the row in the
-- database are compared by one implementation.
--   $1 text[]
SELECT encode(sha256(convert_to(t.content, 'UTF8')), 'hex')
  FROM unnest($1::text[]) WITH ORDINALITY AS t (content, place)
 ORDER BY t.place
