//! Clouds, hosts and networks.

use super::{Check, Kind, kinds};

/// One kind a paragraph.
pub(super) const KINDS: &[Kind] = kinds! {
    "aws-access-key-id" "aws" "access key id" ["AWS_ACCESS_KEY_ID"]
        ["AKIA<2 16>", "ASIA<2 16>", "ABIA<2 16>", "ACCA<2 16>"] [] None 20
        "docs.aws.amazon.com, IAM identifiers";
    "aws-secret-access-key" "aws" "secret access key" ["AWS_SECRET_ACCESS_KEY"]
        ["<6 40>"] ["awssecret", "secretaccesskey", "awskey"] Mixed 0
        "docs.aws.amazon.com, access keys";
    "aws-bedrock-key" "aws" "Bedrock API key" ["AWS_BEARER_TOKEN_BEDROCK"]
        ["ABSK<6 109-269><= 0-2>", "bedrock-api-key-<6 40-2000><= 0-2>"] [] None 0
        "docs.aws.amazon.com, Bedrock API keys; gitleaks";
    "google-api-key" "google" "API key" ["GOOGLE_API_KEY", "GEMINI_API_KEY"]
        ["AIza<u 35>"] [] None 30 "cloud.google.com/docs, API keys";
    "google-client-secret" "google" "OAuth client secret" ["GOOGLE_CLIENT_SECRET"]
        ["GOCSPX-<u 28>"] [] None 24 "developers.google.com, OAuth 2.0";
    "google-access-token" "google" "OAuth access token" ["GOOGLE_OAUTH_ACCESS_TOKEN"]
        ["ya29.<u 60-1024>", "ya29.a0<u 60-1024>"] [] None 40 "cloud.google.com/docs, token types";
    "google-refresh-token" "google" "OAuth refresh token" ["GOOGLE_REFRESH_TOKEN"]
        ["1//0<u 60-512>"] [] None 0 "cloud.google.com/docs, token types";
    "azure-client-secret" "azure" "client secret" ["AZURE_CLIENT_SECRET", "ARM_CLIENT_SECRET"]
        ["<~ 3><d 1>Q~<~ 31-34>"] [] None 0 "learn.microsoft.com, Entra ID; gitleaks";
    "azure-storage-key" "azure" "account key" ["AZURE_STORAGE_KEY"]
        ["AccountKey=<6 86>==", "SharedAccessKey=<6 43>="] [] None 0
        "learn.microsoft.com, connection strings";
    "azure-devops-token" "azure-devops" "personal access token" ["AZURE_DEVOPS_EXT_PAT"]
        ["<b 76>AZDO<b 4>"] [] None 0 "learn.microsoft.com, format of Azure DevOps tokens";
    "alibaba-access-key-id" "alibaba" "access key id" ["ALIBABA_CLOUD_ACCESS_KEY_ID"]
        ["LTAI<b 20>"] [] None 0 "alibabacloud.com/help; gitleaks";
    "tencent-secret-id" "tencent" "secret id" ["TENCENTCLOUD_SECRET_ID"]
        ["AKID<b 32>"] [] None 0 "cloud.tencent.com, access keys";
    "yandex-key" "yandex" "API key" ["YC_API_KEY", "YANDEX_API_KEY"]
        ["AQVN<u 35-38>", "YC<u 38>", "t1.<u 20-500>.<u 86>"] ["yandex", "ycapi", "yctoken"]
        None 0 "yandex.cloud/docs, API keys; gitleaks";
    "scaleway-access-key" "scaleway" "access key" ["SCW_ACCESS_KEY"]
        ["SCW<A 17>"] [] Mixed 0 "scaleway.com/docs, API keys";
    "digitalocean-token" "digitalocean" "access token" ["DIGITALOCEAN_TOKEN"]
        ["dop_v1_<x 64>", "doo_v1_<x 64>", "dor_v1_<x 64>"] [] None 24
        "docs.digitalocean.com, personal access tokens";
    "linode-token" "linode" "access token" ["LINODE_TOKEN"]
        ["<x 64>"] ["linode"] Mixed 0 "techdocs.akamai.com, Linode API";
    "hetzner-token" "hetzner" "API token" ["HCLOUD_TOKEN"]
        ["<b 64>"] ["hetzner", "hcloud"] Mixed 0 "docs.hetzner.com, API tokens";
    "cloudflare-token" "cloudflare" "API token" ["CLOUDFLARE_API_TOKEN", "CF_API_TOKEN"]
        ["<u 40>"] ["cloudflare", "cfapitoken", "cftoken"] Mixed 0
        "developers.cloudflare.com, API tokens; gitleaks";
    "cloudflare-global-key" "cloudflare" "global API key" ["CLOUDFLARE_API_KEY"]
        ["<x 37>"] ["cloudflare", "cfapikey"] Mixed 0 "developers.cloudflare.com; gitleaks";
    "cloudflare-origin-key" "cloudflare" "origin CA key" ["CLOUDFLARE_API_USER_SERVICE_KEY"]
        ["v1.0-<x 24>-<x 146>"] [] None 0 "developers.cloudflare.com, origin CA keys";
    "fastly-token" "fastly" "API token" ["FASTLY_API_TOKEN", "FASTLY_API_KEY"]
        ["<u 32>"] ["fastly"] Mixed 0 "fastly.com/documentation, API tokens; gitleaks";
    "heroku-key" "heroku" "API key" ["HEROKU_API_KEY"]
        ["HRKU-AA<u 58>"] [] None 24 "devcenter.heroku.com, API tokens";
    "heroku-legacy-key" "heroku" "API key" ["HEROKU_API_KEY"]
        ["<uuid>"] ["heroku"] None 0 "devcenter.heroku.com; gitleaks";
    "flyio-token" "flyio" "access token" ["FLY_API_TOKEN"]
        ["fo1_<u 43>", "fm1r_<6 100-2000><= 0-3>", "fm1a_<6 100-2000><= 0-3>",
         "fm2_<6 100-2000><= 0-3>"]
        [] None 24 "fly.io/docs, access tokens; gitleaks";
    "vercel-token" "vercel" "access token" ["VERCEL_TOKEN"]
        ["<b 24>"] ["vercel"] Mixed 0 "vercel.com/docs, access tokens";
    "netlify-token" "netlify" "access token" ["NETLIFY_AUTH_TOKEN"]
        ["nfp_<b 36>"] [] None 24 "docs.netlify.com, personal access tokens";
    "render-key" "render" "API key" ["RENDER_API_KEY"]
        ["rnd_<b 28-32>"] [] Mixed 0 "render.com/docs, API";
    "scalingo-token" "scalingo" "API token" ["SCALINGO_API_TOKEN"]
        ["tk-us-<u 48>"] [] None 24 "developers.scalingo.com; gitleaks";
    "tailscale-key" "tailscale" "key" ["TS_AUTHKEY", "TAILSCALE_API_KEY"]
        ["tskey-auth-<b 10-20>-<b 20-40>", "tskey-api-<b 10-20>-<b 20-40>",
         "tskey-client-<b 10-20>-<b 20-40>"]
        [] None 24 "tailscale.com/kb, key prefixes";
    "ngrok-token" "ngrok" "authtoken" ["NGROK_AUTHTOKEN"]
        ["<b 27>_<b 21>"] ["ngrok"] Mixed 0 "ngrok.com/docs, authtokens";
    "openshift-token" "openshift" "user token" ["OPENSHIFT_TOKEN"]
        ["sha256~<u 43>"] [] None 0 "docs.openshift.com, OAuth tokens";
};
