//! What many services take: URLs with a password, tokens of open standards, keys.

use super::{Check, Kind, kinds};

/// One kind a paragraph.
pub(super) const KINDS: &[Kind] = kinds! {
    "secretref-join-token" "secretref" "join token" ["SECRETREF_JOIN_TOKEN"]
        ["srj_<2 30-200>", "srj_<a 30-200>"] [] None 0 "this project, docs/sidecar.md";
    "postgres-url" "postgres" "URL with a password" ["DATABASE_URL", "POSTGRES_URL"]
        ["postgres://<s 1-400>@<h 1-250>", "postgresql://<s 1-400>@<h 1-250>"] [] Url 13
        "postgresql.org/docs, connection URIs";
    "mysql-url" "mysql" "URL with a password" ["DATABASE_URL", "MYSQL_URL"]
        ["mysql://<s 1-400>@<h 1-250>", "mariadb://<s 1-400>@<h 1-250>"] [] Url 0
        "dev.mysql.com/doc, connecting by URI-like strings";
    "mongodb-url" "mongodb" "URL with a password" ["MONGODB_URI", "MONGO_URL"]
        ["mongodb://<s 1-400>@<h 1-250>", "mongodb+srv://<s 1-400>@<h 1-250>"] [] Url 0
        "mongodb.com/docs, connection strings";
    "redis-url" "redis" "URL with a password" ["REDIS_URL"]
        ["redis://<s 1-400>@<h 1-250>", "rediss://<s 1-400>@<h 1-250>"] [] Url 0
        "redis.io/docs; IANA's scheme redis";
    "amqp-url" "rabbitmq" "URL with a password" ["AMQP_URL", "RABBITMQ_URL"]
        ["amqp://<s 1-400>@<h 1-250>", "amqps://<s 1-400>@<h 1-250>"] [] Url 0
        "rabbitmq.com/docs, URI specification";
    "http-url" "http" "URL with a password" []
        ["https://<s 1-400>@<h 1-250>", "http://<s 1-400>@<h 1-250>"] [] Url 0 "RFC 3986, 3.2.1";
    "private-key" "pem" "private key" []
        ["-----BEGIN PRIVATE KEY-----<k 40-16000>-----END PRIVATE KEY-----",
         "-----BEGIN RSA PRIVATE KEY-----<k 40-16000>-----END RSA PRIVATE KEY-----",
         "-----BEGIN EC PRIVATE KEY-----<k 40-16000>-----END EC PRIVATE KEY-----",
         "-----BEGIN ENCRYPTED PRIVATE KEY-----<k 40-16000>-----END ENCRYPTED PRIVATE KEY-----",
         "-----BEGIN OPENSSH PRIVATE KEY-----<k 40-16000>-----END OPENSSH PRIVATE KEY-----"]
        [] PrivateKey 20 "RFC 7468, RFC 5958; PROTOCOL.key of OpenSSH";
    "jwt" "jwt" "JSON Web Token" []
        ["eyJ<u 14-2000>.eyJ<u 14-8000>.<u 20-1400>"] [] Jwt 40 "RFC 7519";
};
