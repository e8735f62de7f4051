public enum SQL { public static let a = PackageResources.m0001_tables_sql; public static let q = PackageResources.find_signup_sql }
