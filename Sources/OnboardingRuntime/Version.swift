/// This program's version: in `embark --version`, in the workers table and in every request's `User-Agent`.
public enum Version {
    public static let current = "0.1.0"
}
