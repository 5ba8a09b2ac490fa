#!/bin/sh
# Replaces a secret key of Stripe; a program for the `exec` rotator (docs/rotators/exec.md).
#
#   secrets.admin   a key that may manage keys
#   args            the id of the key that is in use at first, which nobody minted here: mk_…
#                   and, to try it elsewhere, the address of the API
#
# Keys are made by Stripe's API of managed keys, a preview: POST /v2/iam/api_keys. It shows the
# token of a key once, and asked again with the same Idempotency-Key it shows the same one. In live
# mode it encrypts the token for a public key of yours, which this example does not have: try it in
# a sandbox.
#
# Nothing secret is in the arguments of another program, where everybody on the host could read it.
set -eu

first=${1:-}
api=${2:-https://api.stripe.com}
request=$(cat)

# What the request has at a place, or nothing.
of() { printf '%s' "$request" | jq --raw-output "$1 // empty"; }

# $1: whether it is of no use to try again; $2: why, without a key in it.
fail() {
    jq --null-input --argjson lasting "$1" --arg message "$2" \
        '{protocolVersion: 1, ok: false, lasting: $lasting, message: $message}'
    exit 0
}

done_well() { echo '{"protocolVersion":1,"ok":true}'; exit 0; }

# $1: GET or POST, $2: path, $3: key, $4: body. Sets $status and $answer.
ask() {
    case $3 in
        *[!A-Za-z0-9_]*|'') fail true 'the key in use, or secrets.admin, is no key of Stripe' ;;
    esac
    said=$(
        {
            printf 'request = "%s"\nurl = "%s%s"\n' "$1" "$api" "$2"
            printf 'header = "Authorization: Bearer %s"\n' "$3"
            printf 'header = "Stripe-Version: 2026-08-26.preview"\n'
            if [ "$1" = POST ]; then
                printf 'header = "Content-Type: application/json"\n'
                printf 'header = "Idempotency-Key: %s"\n' "$(of .rotation)-$2"
                printf 'data = "%s"\n' "$(printf '%s' "$4" | sed 's/[\\"]/\\&/g')"
            fi
        } | curl --config - --silent --max-time 20 --write-out '\n%{http_code}'
    ) || fail false "$api cannot be reached"
    status=${said##*
}
    answer=${said%
*}
    case $status in
        429|5??) fail false "Stripe answered $status to $1 $2" ;;
    esac
}

mint() {
    body=$(jq --null-input --compact-output --arg ref "$(of .ref)" --arg note "$(of .rotation)" \
        '{type: "secret_key", name: $ref, note: $note}')
    ask POST /v2/iam/api_keys "$(of .secrets.admin)" "$body"
    case $status in 200|201) ;; *) fail true "Stripe answered $status to a new key" ;; esac
}

expire() {
    ask POST "/v2/iam/api_keys/$1/expire" "$(of .secrets.admin)" '{}'
    case $status in
        # One that is expired already, or was never there, is as good.
        200|404) done_well ;;
        *) fail true "Stripe answered $status to the end of key $1" ;;
    esac
}

case $(of .verb) in
    mint)
        mint
        printf '%s' "$answer" | jq --compact-output \
            '{protocolVersion: 1, ok: true, value: .secret_key.token, handle: .id}'
        ;;
    set) done_well ;;
    test)
        ask GET /v1/balance "$(of .new.value)"
        case $status in 200) done_well ;; *) fail true "Stripe answered $status to the key" ;; esac
        ;;
    revoke)
        case $(of .which) in
            old)
                id=$(of .old.handle)
                id=${id:-$first}
                [ -n "$id" ] || fail true 'the id of the first key is not known: set it in `args`'
                expire "$id"
                ;;
            new)
                id=$(of .new.handle)
                # Whether one was made nobody knows: asked again, it is the same one.
                [ -n "$id" ] || { mint; id=$(printf '%s' "$answer" | jq --raw-output .id); }
                expire "$id"
                ;;
        esac
        ;;
esac
