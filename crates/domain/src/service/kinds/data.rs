//! Databases, safes and what watches over systems.

use super::{Check, Kind, kinds};

/// One kind a paragraph.
pub(super) const KINDS: &[Kind] = kinds! {
    "vault-token" "vault" "token" ["VAULT_TOKEN", "BAO_TOKEN"]
        ["hvs.<u 24-120>", "hvb.<u 138-300>", "hvr.<u 24-300>"] [] None 20
        "developer.hashicorp.com/vault, tokens";
    "vault-legacy-token" "vault" "token" ["VAULT_TOKEN", "BAO_TOKEN"]
        ["s.<b 24>", "b.<u 100-300>"] ["vault", "bao"] None 0
        "developer.hashicorp.com/vault, tokens before 1.10";
    "onepassword-token" "onepassword" "service account token" ["OP_SERVICE_ACCOUNT_TOKEN"]
        ["ops_eyJ<6 250-2000><= 0-3>"] [] None 40 "developer.1password.com; gitleaks";
    "onepassword-secret-key" "onepassword" "secret key" ["OP_SECRET_KEY"]
        ["A3-<A 6>-<A 11>-<A 5>-<A 5>-<A 5>", "A3-<A 6>-<A 6>-<A 5>-<A 5>-<A 5>-<A 5>"]
        [] None 0 "support.1password.com, secret key; gitleaks";
    "doppler-token" "doppler" "token" ["DOPPLER_TOKEN"]
        ["dp.pt.<b 40-44>", "dp.ct.<b 40-44>", "dp.sa.<b 40-44>", "dp.st.<b 40-44>",
         "dp.scim.<b 40-44>", "dp.audit.<b 40-44>"]
        [] None 0 "docs.doppler.com, token formats";
    "infisical-token" "infisical" "service token" ["INFISICAL_TOKEN"]
        ["st.<x 24>.<x 32>.<x 32>"] [] None 0 "infisical.com/docs, service tokens";
    "age-key" "age" "secret key" ["SOPS_AGE_KEY"]
        ["AGE-SECRET-KEY-1<c 58>"] [] None 24 "age's specification: bech32";
    "supabase-key" "supabase" "token" ["SUPABASE_ACCESS_TOKEN", "SUPABASE_SECRET_KEY"]
        ["sbp_<x 40>", "sb_secret_<u 22>_<u 8>"] [] None 24 "supabase.com/docs, API keys";
    "neon-key" "neon" "API key" ["NEON_API_KEY"]
        ["napi_<a 60-68>"] [] None 24 "neon.com/docs, API keys";
    "planetscale-token" "planetscale" "token or password" ["PLANETSCALE_SERVICE_TOKEN"]
        ["pscale_tkn_<p 32-64>", "pscale_pw_<p 32-64>", "pscale_oauth_<p 32-64>"] [] None 24
        "planetscale.com/docs, service tokens; gitleaks";
    "databricks-token" "databricks" "access token" ["DATABRICKS_TOKEN"]
        ["dapi<x 32>-<d 1>", "dapi<x 32>"] [] None 0 "docs.databricks.com; gitleaks";
    "clickhouse-key" "clickhouse" "API key secret" ["CLICKHOUSE_CLOUD_API_SECRET"]
        ["4b1d<b 38>"] [] None 0 "clickhouse.com/docs; gitleaks";
    "confluent-secret" "confluent" "API secret" ["CONFLUENT_CLOUD_API_SECRET"]
        ["<6 64>"] ["confluent"] Mixed 0 "docs.confluent.io; gitleaks";
    "algolia-key" "algolia" "admin API key" ["ALGOLIA_ADMIN_KEY", "ALGOLIA_API_KEY"]
        ["<x 32>"] ["algolia"] Mixed 0 "algolia.com/doc, API keys; gitleaks";
    "grafana-token" "grafana" "service account token" ["GRAFANA_TOKEN"]
        ["glsa_<b 32>_<X 8>"] [] None 24 "grafana.com/docs, service accounts";
    "grafana-cloud-token" "grafana" "cloud token" ["GRAFANA_CLOUD_TOKEN"]
        ["glc_<6 32-400><= 0-3>"] [] None 24 "grafana.com/docs, access policies";
    "datadog-key" "datadog" "API or application key" ["DD_API_KEY", "DD_APP_KEY"]
        ["<x 32>", "<x 40>"] ["datadog", "ddapikey", "ddappkey"] Mixed 0
        "docs.datadoghq.com, API and application keys";
    "newrelic-key" "newrelic" "key" ["NEW_RELIC_API_KEY", "NEW_RELIC_LICENSE_KEY"]
        ["NRAK-<A 27>", "NRII-<u 32>", "<x 36>NRAL"] [] None 0
        "docs.newrelic.com, API keys; gitleaks";
    "sentry-token" "sentry" "auth token" ["SENTRY_AUTH_TOKEN"]
        ["sntrys_eyJ<6 80-500><= 0-2>_<6 43>", "sntryu_<x 64>"] [] None 24
        "docs.sentry.io, auth tokens; gitleaks";
    "dynatrace-token" "dynatrace" "API token" ["DT_API_TOKEN"]
        ["dt0c01.<2 24>.<2 64>", "dt0s01.<2 24>.<2 64>"] [] None 24
        "docs.dynatrace.com, token format";
    "honeycomb-key" "honeycomb" "ingest key" ["HONEYCOMB_API_KEY"]
        ["hcaik_<a 58>", "hcaic_<a 58>", "hcbik_<a 58>"] [] None 24
        "docs.honeycomb.io, API keys";
    "pagerduty-key" "pagerduty" "API key" ["PAGERDUTY_TOKEN", "PAGERDUTY_API_KEY"]
        ["<u 20>"] ["pagerdutytoken", "pagerdutyapi", "pagerdutykey"] Mixed 0
        "developer.pagerduty.com, authentication";
    "sumologic-key" "sumologic" "access key" ["SUMOLOGIC_ACCESSKEY"]
        ["<b 64>"] ["sumo"] Mixed 0 "help.sumologic.com; gitleaks";
    "maxmind-key" "maxmind" "license key" ["MAXMIND_LICENSE_KEY"]
        ["<b 6>_<b 29>_mmk"] [] None 0 "dev.maxmind.com, license keys";
};
