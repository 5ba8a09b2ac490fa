//! The help text.

/// What `--help` prints.
pub const HELP: &str = "\
secretref-sidecar: keeps the secrets of one agent current, beside it

USAGE
  secretref-sidecar run    --broker HOST:PORT --state-dir DIR [options] [-- PROGRAM ARGUMENTS]
  secretref-sidecar enroll --broker HOST:PORT --state-dir DIR --token-file FILE|-
  secretref-sidecar health [--address ADDR:PORT] [--live] [--wait DURATION]
  secretref-sidecar version | --help

RUN keeps the agent's files in --secrets-dir current until it gets SIGTERM or SIGINT, then takes
them away. A broker that cannot be reached never ends it: the last good set stays until its lease
lapses. With a PROGRAM it runs that with the agent's credentials in its environment, starts it again
or signals it when they change, and ends when it ends.
  --broker HOST:PORT,…     the broker's port for agents; where there are several brokers, all of
                           them: it keeps to one and goes on to the next where that one is away;
                           may be repeated
  --state-dir DIR          who this sidecar is, across restarts; 0700, made where it is missing
  --token-file FILE|-      join token (`secretref agent token AGENT`), from a file or standard
                           input; needed the first time only
  --secrets-dir DIR        where the agent's files go, on tmpfs  [/run/secretref]
  --socket PATH            also answers at this unix socket, over HTTP/1.1: try
                           curl --unix-socket PATH http://secretref/v1/secrets
  --no-files               makes no files: the agent lives from the socket alone
  --allow-exec PROGRAM     lets `onRotate: exec:PROGRAM` of a manifest start this program, and no
                           other; may be repeated
  --openclaw-token-file FILE
                           lets `onRotate: openclaw` of a manifest have OpenClaw's gateway resolve
                           its secrets anew, with the token in this file
  --openclaw-gateway URL   where that gateway is, on this host  [ws://127.0.0.1:18789]
  --allow-disk             takes a --secrets-dir that is not on tmpfs: values reach the disk
  --group NAME|GID         group that the agent and the sidecar share: files get 0440, folders
                           0750, the socket 0660; without it 0400, 0700 and 0600
  --agent AGENT            refuses to run (exit 2) as any other agent
  --health-listen A:PORT   answers GET /healthz (it lives) and /readyz (the first whole set is in
                           place and its lease has not lapsed)
  --wait-timeout DURATION  gives up (exit 69) where the first whole set is not in place by then
  --remove-secrets-dir     removes the emptied --secrets-dir at the end
  --remove-state-dir       removes --state-dir at the end: the next run has to enrol anew
  --allow-exec PROGRAM     a program, by its whole path, that the agent's manifest may name as its
                           command or as a check; may be repeated
  --agent-command          runs the `command` of the agent's manifest, whatever it is
  --only-env NAME,…        gives PROGRAM only these variables of the agent's
  --secrets-ref REF,…      gives PROGRAM only the variables of these refs
  --env NAME,…             the variable of the first --secrets-ref, and so on; may be repeated
  --secrets-provider ALIAS takes values from this provider alone, among those that each ref names;
                           a ref that does not name it has no value
  --on-rotate WHAT         restart, none or signal:NAME, whatever the manifest says
  --restart WHEN           no, on-failure or always: when PROGRAM ends by itself  [no]
  --schedule CRON          runs PROGRAM at these times, and ends only when it is told to: five
                           fields (minute, hour, day of month, month, day of week), six with the
                           second first, or @daily and the like; between runs nothing is held
  --schedule-timezone ZONE whose clocks count, such as Europe/Berlin  [UTC]
  --schedule-overlap WHAT  where PROGRAM still runs when it is due again: skip leaves that run out,
                           queue begins it when the one before has ended, replace stops the one
                           before  [skip]
  --log-level LEVEL        error, warn, info, debug or trace  [info]
  --log-format FORMAT      text or json, on standard error  [text]

ENROLL trades a join token for an identity and ends; `run` then needs no token. It takes
--broker, --state-dir, --token-file, --log-level and --log-format.

HEALTH asks a running sidecar, for container health checks: exit 0 where it is ready.
  --address ADDR:PORT      what `run` was given as --health-listen  [127.0.0.1:7446]
  --live                   asks only whether it lives
  --wait DURATION          asks until the answer is good, for so long  [0s]

A DURATION is a number with ms, s, m or h: 500ms, 30s, 5m, 1h.

EXIT CODES
  0 done · 1 the broker said no, or not ready · 2 wrong usage or unusable input ·
  69 broker (or, for health, sidecar) unreachable
  of `run -- PROGRAM`: the program's own · 128 and the number of the signal that ended it ·
  126 or 127 it could not be started · 78 a required ref is denied or has no value

EXAMPLE
  secretref agent token payment-analyst > token
  secretref-sidecar run --broker broker:7443 --token-file token --state-dir /var/lib/secretref \\
      --agent payment-analyst --health-listen 127.0.0.1:7446
";
