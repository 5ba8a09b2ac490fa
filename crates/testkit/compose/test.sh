#!/usr/bin/env bash
# Runs docker-compose.yml for real and looks into its containers. With the engine that runs, else
# with one of its own, which it gets from Debian where it may. Images come from Debian's packages,
# and the binaries from target/debug: no registry is needed. Exit 3: there is no engine to be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

target=${CARGO_TARGET_DIR:-target}
work=$(realpath -m "$target/compose")
project=secretref-test-$$
mkdir -p "$work"

say() { echo "compose-test: $*" >&2; }
die() { say "FAILED: $*"; exit 1; }
unable() { say "NOT RUN: $*"; exit 3; }

engine=
end() {
    status=$?
    if [ -n "${compose:-}" ]; then
        [ $status = 0 ] || $compose -p "$project" logs --no-color --tail 20 >&2 || true
        $compose -p "$project" down -v --timeout 2 > "$work/down.log" 2>&1 || true
    fi
    if [ -n "$engine" ]; then kill "$engine" && wait "$engine" || true; fi
    exit $status
}
trap end EXIT

packages() {
    [ "$(id -u)" = 0 ] || unable "$* is not installed, and only root can. Fix: apt-get install $*"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" > "$work/apt.log" 2>&1 ||
        unable "$* cannot be installed: see $work/apt.log"
}

within() { # SECONDS WHAT COMMAND...
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" > "$work/within.log" 2>&1; do
        [ $SECONDS -lt $end ] || die "waited in vain for: $what ($(tail -c 300 "$work/within.log"))"
        sleep 0.2
    done
}

start_engine() {
    docker info > /dev/null 2>&1 && return
    command -v dockerd > /dev/null || packages docker.io
    [ "$(id -u)" = 0 ] || unable "no docker engine runs, and only root can start one"
    export DOCKER_HOST=unix://$work/docker.sock
    dockerd --data-root "$work/engine" --exec-root "$work/run" --pidfile "$work/docker.pid" \
        --host "$DOCKER_HOST" > "$work/dockerd.log" 2>&1 &
    engine=$!
    for _ in $(seq 150); do
        docker info > /dev/null 2>&1 && return
        kill -0 "$engine" 2> /dev/null || break
        sleep 0.2
    done
    engine=
    unable "dockerd does not start here: $(tail -n 1 "$work/dockerd.log")"
}

base_images() {
    docker image inspect secretref-test/postgres > /dev/null 2>&1 && return
    command -v debootstrap > /dev/null || packages debootstrap
    [ "$(id -u)" = 0 ] || unable "only root can make base images from Debian's packages"
    local release mirror
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' |
        awk -v release="$release" '$2 == release { print $1; exit }')
    rm -rf "$work/rootfs"
    debootstrap --variant=minbase --include=postgresql,ca-certificates \
        "$release" "$work/rootfs" "$mirror" > "$work/debootstrap.log" 2>&1 ||
        unable "no base image could be made: $(tail -n 1 "$work/debootstrap.log")"
    tar -C "$work/rootfs" --exclude=./var/cache --exclude=./var/lib/apt --exclude=./usr/share/doc \
        -c . | docker import - secretref-test/debian > /dev/null
    rm -rf "$work/rootfs"
    DOCKER_BUILDKIT=0 docker build -q -t secretref-test/postgres \
        --build-arg BASE=secretref-test/debian \
        -f crates/testkit/compose/Dockerfile.postgres crates/testkit/compose > "$work/build.log"
}

own_image() {
    mkdir -p target/image
    for binary in secretref secretref-broker secretref-sidecar; do
        strip -o "target/image/$binary" "$target/debug/$binary"
    done
    DOCKER_BUILDKIT=0 docker build -q -t secretref --build-arg BINARIES=target/image \
        --build-arg RUST_IMAGE=secretref-test/debian \
        --build-arg RUNTIME_IMAGE=secretref-test/debian \
        --build-arg AGENTS="analyst notifier reporter" . > "$work/build.log" 2>&1 ||
        die "the image was not built: $(tail -n 3 "$work/build.log")"
    rm -rf target/image
}

# --- what a person does ---

on() { # SERVICE COMMAND... inside its running container
    local container
    container=$($compose -p "$project" ps -q "$1")
    shift
    docker exec "$container" "$@"
}
put() { # NAME VALUE [BROKER]
    printf %s "$2" | $compose -p "$project" run --rm -T -e "SECRETREF_ADDR=${3:-broker1}:7444" \
        operator secretref put "$1" > "$work/put.log" 2>&1 ||
        die "put $1: $(tail -n 2 "$work/put.log")"
}
holds() { [ "$(on "$1" cat "/run/secretref/$2")" = "$3" ]; } # SERVICE FILE VALUE
# The program that the sidecar started, in its environment.
runs_with() {
    on "$1" sh -c 'cat /proc/[0-9]*/environ 2>&- | tr "\0" "\n"' | grep -qx "$2"
}

journey() { # COMPOSE COMMAND...
    compose=$*
    say "$($compose version | head -n 1)"
    timeout 300 $compose -p "$project" up -d --no-build > "$work/up.log" 2>&1 ||
        die "up: $(tail -n 3 "$work/up.log")"
    local key=sk_compose_$RANDOM$RANDOM token=xo_compose_$RANDOM$RANDOM
    put stripe-api-key "$key-1"
    put slack-bot-token "$token-1"
    within 30 "the analyst has its key" holds analyst STRIPE_API_KEY "$key-1"
    within 30 "the notifier has its token" holds notifier SLACK_BOT_TOKEN "$token-1"
    within 60 "the reporter runs with its key" runs_with reporter "STRIPE_API_KEY=$key-1"
    on notifier test -e /run/secretref/STRIPE_API_KEY && die "the notifier has the analyst's key"

    put stripe-api-key "$key-2"
    within 30 "the rotated key is in the analyst's container" holds analyst STRIPE_API_KEY "$key-2"
    within 30 "the reporter runs with the new key" runs_with reporter "STRIPE_API_KEY=$key-2"

    $compose -p "$project" stop broker1 > /dev/null 2>&1
    put slack-bot-token "$token-2" broker2
    within 30 "a rotation without the first broker" holds notifier SLACK_BOT_TOKEN "$token-2"
    $compose -p "$project" start broker1 > /dev/null 2>&1

    local containers
    containers=$($compose -p "$project" ps -q)
    docker inspect $containers > "$work/inspect.json"
    for container in $containers; do docker logs "$container"; done > "$work/logs" 2>&1
    grep -qE "sk_compose_|xo_compose_" "$work/inspect.json" "$work/logs" &&
        die "a value stands in what the engine keeps of a container, or in its log"
    local hardened='{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}'
    docker inspect -f "$hardened {{.HostConfig.SecurityOpt}} {{.Name}}" $containers |
        grep -vE '^(10001:10001|10002:10001|postgres) true \[ALL\] \[no-new-privileges:true\] ' &&
        die "the containers above are not hardened"
    [ "$(on analyst stat -f -c %T /run/secretref)" = tmpfs ] || die "the files are not in memory"
    on analyst touch /run/secretref/x 2> /dev/null && die "an agent writes into its secrets"

    # Again, over what is there.
    timeout 300 $compose -p "$project" up -d --no-build > "$work/up.log" 2>&1 ||
        die "up again: $(tail -n 3 "$work/up.log")"
    within 30 "the analyst still has its key" holds analyst STRIPE_API_KEY "$key-2"
    $compose -p "$project" down -v --timeout 2 > "$work/down.log" 2>&1
    compose=
}

start_engine
base_images
own_image
export POSTGRES_IMAGE=secretref-test/postgres
ran=0
if docker compose version > /dev/null 2>&1; then
    journey docker compose
    ran=1
fi
if command -v docker-compose > /dev/null || { [ $ran = 0 ] && packages docker-compose; }; then
    journey docker-compose
fi
say "passed in $SECONDS s"
