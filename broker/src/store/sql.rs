//! The SQL that both engines understand: `$1…$n` is a parameter in either, row values compare in
//! either, and bytes are ordered alike (`memcmp`).

/// The head: epoch, revision, MAC.
pub(super) const HEAD: &str = "SELECT epoch, revision, mac FROM head WHERE id = 1";

/// Whether any table holds anything: a row if so.
pub(super) const IN_USE: &str = "\
    SELECT CAST(1 AS BIGINT) WHERE EXISTS (SELECT 1 FROM head) \
    OR EXISTS (SELECT 1 FROM vault) OR EXISTS (SELECT 1 FROM authority_log) \
    OR EXISTS (SELECT 1 FROM secret_versions) OR EXISTS (SELECT 1 FROM audit_lanes) \
    OR EXISTS (SELECT 1 FROM audit) OR EXISTS (SELECT 1 FROM audit_checkpoints)";

/// Writes the first head, unless there is one.
pub(super) const FIRST_HEAD: &str = "\
    INSERT INTO head (id, epoch, revision, mac) VALUES (1, $1, 0, $2) ON CONFLICT DO NOTHING";

/// Writes a blob, unless there is one of that name.
pub(super) const FIRST_BLOB: &str =
    "INSERT INTO vault (name, content) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// A blob by its name.
pub(super) const BLOB: &str = "SELECT content FROM vault WHERE name = $1";

/// Replaces a blob that still is what it was.
pub(super) const REPLACE_BLOB: &str =
    "UPDATE vault SET content = $3 WHERE name = $1 AND content = $2";

/// Records after a place, up to a limit.
pub(super) const LOG_AFTER: &str = "\
    SELECT revision, position, record, mac FROM authority_log \
    WHERE (revision, position) > ($1, $2) ORDER BY revision, position LIMIT $3";

/// A sealed version.
pub(super) const SEALED: &str = "\
    SELECT environment, wrapped, sealed FROM secret_versions WHERE secret = $1 AND version = $2";

/// The recorded end of a lane (source 0), and its newest entry (source 1), in one snapshot.
pub(super) const LANE_HEAD: &str = "\
    SELECT CAST(0 AS BIGINT) AS source, seq, hash FROM audit_lanes WHERE lane = $1 \
    UNION ALL \
    SELECT CAST(1 AS BIGINT), seq, hash FROM \
    (SELECT seq, hash FROM audit WHERE lane = $1 ORDER BY seq DESC LIMIT 1) AS newest \
    ORDER BY source";

/// Audit entries after a place in the order of time, lane and number.
pub(super) const AUDIT_AFTER: &str = "\
    SELECT lane, seq, at, entry, hash FROM audit \
    WHERE (at, lane, seq) > ($1, $2, $3) ORDER BY at, lane, seq LIMIT $4";

/// What the instances of an agent said last.
pub(super) const REPORTS: &str = "\
    SELECT instance, secret, environment, version, state, evidence, detail, boot, at, \
    deliveries FROM reports WHERE agent = $1 ORDER BY instance, secret";

/// What the instances of an agent said last of scheduled programs.
pub(super) const SCHEDULES: &str = "\
    SELECT instance, environment, boot, at, keep_until, told FROM schedules WHERE agent = $1 \
    ORDER BY instance";

/// Forgets what was said of scheduled programs and is of no use any more.
pub(super) const FORGET_SCHEDULES: &str = "DELETE FROM schedules WHERE keep_until < $1";

/// What instances said last of a secret.
pub(super) const REPORTS_OF_SECRET: &str = "\
    SELECT instance, secret, environment, version, state, evidence, detail, boot, at, \
    deliveries, agent FROM reports WHERE secret = $1 ORDER BY agent, instance";

/// Gives a lease back.
pub(super) const DROP_LEASE: &str = "DELETE FROM leases WHERE name = $1 AND holder = $2";

/// Who holds a stream of a broker.
pub(super) const SET_PRESENCE: &str = "\
    INSERT INTO presence (broker, at, instances) VALUES ($1, $2, $3) \
    ON CONFLICT (broker) DO UPDATE SET at = excluded.at, instances = excluded.instances";

/// When an instance held a stream last.
pub(super) const SET_CONTACT: &str = "\
    INSERT INTO contacts AS known (instance, at) VALUES ($1, $2) \
    ON CONFLICT (instance) DO UPDATE SET at = excluded.at WHERE known.at < excluded.at";

/// Who holds a stream, and when.
pub(super) const PRESENCE: &str = "SELECT at, instances FROM presence";

/// Who held a stream of a broker when it said so last, and when that was.
pub(super) const PRESENCE_OF: &str = "SELECT at, instances FROM presence WHERE broker = $1";

/// Who holds a stream of other brokers, as they said since a time.
pub(super) const PRESENCE_ELSEWHERE: &str =
    "SELECT at, instances FROM presence WHERE broker <> $1 AND at > $2";

/// When instances held a stream last.
pub(super) const CONTACTS: &str = "SELECT instance, at FROM contacts";

/// Forgets when instances held one last, where nothing of theirs can matter any more.
pub(super) const FORGET_CONTACTS: &str = "DELETE FROM contacts WHERE at < $1";

/// Forgets old answers.
pub(super) const FORGET_REQUESTS: &str = "DELETE FROM requests WHERE at < $1";

/// Migrations that were applied.
pub(super) const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations ORDER BY version";

pub(super) const LANE_TAIL: &str = "\
    SELECT lane, seq, at, entry, hash FROM audit WHERE lane = $1 ORDER BY seq DESC LIMIT 1";

/// What people were told.
pub(super) const TOLD: &str = "SELECT subject, told FROM told ORDER BY subject";

/// Keeps what people were told.
pub(super) const KEEP_TOLD: &str = "\
    INSERT INTO told (subject, told) VALUES ($1, $2) \
    ON CONFLICT (subject) DO UPDATE SET told = excluded.told";

/// Forgets what people were told.
pub(super) const FORGET_TOLD: &str = "DELETE FROM told WHERE subject = $1";

/// What tests of credentials came to.
pub(super) const TRIALS: &str = "SELECT secret, told FROM trials ORDER BY secret";

/// Keeps what a test came to.
pub(super) const KEEP_TRIAL: &str = "\
    INSERT INTO trials (secret, told) VALUES ($1, $2) \
    ON CONFLICT (secret) DO UPDATE SET told = excluded.told";

/// Forgets what a test came to.
pub(super) const FORGET_TRIAL: &str = "DELETE FROM trials WHERE secret = $1";

/// What instances said last, in short, after a place, up to a limit.
pub(super) const HELD: &str = "\
    SELECT agent, instance, secret, version, state, detail FROM reports \
    WHERE (agent, instance, secret) > ($1, $2, $3) ORDER BY agent, instance, secret LIMIT $4";

/// Adds a checkpoint, unless another one has its size or follows the same one.
pub(super) const ADD_CHECKPOINT: &str = "\
    INSERT INTO audit_checkpoints (size, follows, note) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

/// Adds subtrees of one level that stand side by side.
pub(super) const ADD_SUBTREES: &str = "\
    INSERT INTO audit_tree (level, start, hashes) VALUES ($1, $2, $3)";

/// The newest checkpoint.
pub(super) const NEWEST_CHECKPOINT: &str = "\
    SELECT size, follows, note FROM audit_checkpoints ORDER BY size DESC LIMIT 1";

/// The checkpoint of a size.
pub(super) const CHECKPOINT: &str = "\
    SELECT size, follows, note FROM audit_checkpoints WHERE size = $1";

/// The first checkpoint after a size.
pub(super) const CHECKPOINT_AFTER: &str = "\
    SELECT size, follows, note FROM audit_checkpoints WHERE size > $1 ORDER BY size LIMIT 1";

/// The subtrees of a level that begin at an index or before it, the last of them.
pub(super) const SUBTREES: &str = "\
    SELECT start, hashes FROM audit_tree WHERE level = $1 AND start <= $2 \
    ORDER BY start DESC LIMIT 1";

/// The recorded ends of all lanes.
pub(super) const LANE_ENDS: &str = "SELECT lane, seq, hash FROM audit_lanes ORDER BY lane";

/// The first lane after another that has an entry.
pub(super) const LANE_AFTER: &str = "SELECT lane FROM audit WHERE lane > $1 ORDER BY lane LIMIT 1";

/// Entries of a lane after a number and up to another.
pub(super) const LANE_ENTRIES: &str = "\
    SELECT lane, seq, at, entry, hash FROM audit \
    WHERE lane = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4";
