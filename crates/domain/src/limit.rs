//! Every limit that more than one crate knows, with its unit in its name.

/// Longest value of a secret, in bytes.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Versions of one secret that are kept; a put beyond it destroys the oldest.
pub const VERSIONS_MAX: usize = 100;
/// Secrets of one environment.
pub const SECRETS_MAX: usize = 10_000;
/// Bindings of one agent.
pub const BINDINGS_MAX: usize = 256;
/// Groups of one environment.
pub const GROUPS_MAX: usize = 1_000;
/// Groups that one agent names.
pub const GROUPS_OF_AGENT_MAX: usize = 16;
/// Instances of one agent that hold a certificate.
pub const INSTANCES_MAX: usize = 10_000;
/// Labels of one secret.
pub const LABELS_MAX: usize = 32;
/// Longest label key or value, in bytes.
pub const LABEL_BYTES_MAX: usize = 63;
/// Longest service name, in bytes.
pub const SERVICE_BYTES_MAX: usize = 64;
/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 512;
/// Longest certification request, in bytes.
pub const CERTIFICATE_REQUEST_BYTES_MAX: usize = 4096;
/// All manifest files of one apply together, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 1024 * 1024;
/// Manifest files of one apply.
pub const MANIFEST_FILES_MAX: usize = 64;
/// Nesting of a manifest.
pub const MANIFEST_DEPTH_MAX: usize = 32;
/// Shortest and longest life of a join token, in seconds, and the one where none is named.
pub const TOKEN_TTL_SECONDS_MAX: i64 = 24 * 3600;
/// Life of a join token where none is named, in seconds.
pub const TOKEN_TTL_SECONDS_DEFAULT: i64 = 600;
/// How long after its end a certificate can still be renewed, in seconds.
pub const RECOVERY_SECONDS_MAX: i64 = 7 * 24 * 3600;
/// How long the ledger remembers that an agent was removed, in seconds: as long as a certificate of
/// it may still open a connection, which is its longest life (24 h) and the time for a recovery.
pub const REMOVED_SECONDS_KEPT: i64 = RECOVERY_SECONDS_MAX + 24 * 3600;
/// How long the same token and key may be repeated, in seconds.
pub const TOKEN_REPEAT_SECONDS_MAX: i64 = 120;
/// Administrators who are not revoked.
pub const ADMINS_MAX: usize = 1000;
/// Shortest life of an administrator's certificate, in seconds.
pub const ADMIN_LIFE_SECONDS_MIN: i64 = 15 * 60;
/// Longest life of an administrator's certificate, in seconds, and the one where none is named.
pub const ADMIN_LIFE_SECONDS_MAX: i64 = 90 * 24 * 3600;
/// Largest page of a list.
pub const PAGE_SIZE_MAX: usize = 1000;
/// Page of a list where no size is named.
pub const PAGE_SIZE_DEFAULT: usize = 100;
/// Longest detail of a sidecar's result, and longest place of a delivery, in bytes.
pub const DETAIL_BYTES_MAX: usize = 256;
/// Longest cron expression, in bytes.
pub const SCHEDULE_BYTES_MAX: usize = 128;
/// Longest name of a time zone, in bytes.
pub const TIME_ZONE_BYTES_MAX: usize = 64;
/// Ways by which one agent gets one secret.
pub const DELIVERIES_MAX: usize = 16;
/// Rotations that are known, those under way and the last ones that are over.
pub const ROTATIONS_KEPT_MAX: usize = 1_000;
/// Longest word of a service for a credential, in bytes.
pub const HANDLE_BYTES_MAX: usize = 256;
/// Longest time that a rotation policy may name, in seconds: a year.
pub const ROTATION_SECONDS_MAX: i64 = 366 * 24 * 3600;
/// Audit lanes that are followed: brokers that ever wrote one.
pub const LANES_MAX: usize = 1_000;

/// Names that a program may ask for at once.
pub const RESOLVE_IDS_MAX: usize = 512;
/// Length of such a name, in bytes.
pub const RESOLVE_ID_BYTES_MAX: usize = 256;
/// Values that it is given at once, in bytes, all together.
pub const RESOLVE_BYTES_MAX: usize = 1 << 20;
/// Length of the request of a program, in bytes.
pub const RESOLVE_REQUEST_BYTES_MAX: usize = 256 * 1024;
