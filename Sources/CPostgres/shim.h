// What the Postgres module needs of libpq, and nothing of the server's own headers.
#include <libpq-fe.h>
