//! What people work with.

use super::{Check, Kind, kinds};

/// One kind a paragraph.
pub(super) const KINDS: &[Kind] = kinds! {
    "atlassian-token" "atlassian" "API token" ["ATLASSIAN_API_TOKEN", "JIRA_API_TOKEN"]
        ["ATATT3xFfGF0<v 180-184>", "ATATT3<v 186>"] [] None 40
        "support.atlassian.com, API tokens; gitleaks";
    "notion-token" "notion" "integration token" ["NOTION_TOKEN", "NOTION_API_KEY"]
        ["ntn_<d 11><b 35>"] [] None 24 "developers.notion.com, authorization; gitleaks";
    "notion-legacy-token" "notion" "integration token" ["NOTION_TOKEN", "NOTION_API_KEY"]
        ["secret_<b 43>"] [] Mixed 0 "developers.notion.com, authorization";
    "linear-key" "linear" "API key" ["LINEAR_API_KEY"]
        ["lin_api_<b 40>", "lin_oauth_<x 64>"] [] None 24 "linear.app/developers; gitleaks";
    "figma-token" "figma" "access token" ["FIGMA_TOKEN", "FIGMA_ACCESS_TOKEN"]
        ["figd_<u 40-44>", "figu_<u 40-44>"] [] None 24 "developers.figma.com, authentication";
    "airtable-token" "airtable" "access token" ["AIRTABLE_API_KEY", "AIRTABLE_TOKEN"]
        ["pat<b 14>.<x 64>"] [] None 0 "airtable.com/developers, authentication; gitleaks";
    "typeform-token" "typeform" "access token" ["TYPEFORM_TOKEN"]
        ["tfp_<p 59>"] [] None 24 "typeform.com/developers; gitleaks";
    "contentful-token" "contentful" "management token" ["CONTENTFUL_MANAGEMENT_TOKEN"]
        ["CFPAT-<u 43>"] [] None 24 "contentful.com/developers/docs";
    "readme-key" "readme" "API key" ["README_API_KEY"]
        ["rdme_<a 70>"] [] None 24 "docs.readme.com; gitleaks";
    "prefect-key" "prefect" "API key" ["PREFECT_API_KEY"]
        ["pnu_<b 36>"] [] None 24 "docs.prefect.io, API keys; gitleaks";
    "hubspot-token" "hubspot" "private app token" ["HUBSPOT_ACCESS_TOKEN"]
        ["pat-na1-<uuid>", "pat-na2-<uuid>", "pat-eu1-<uuid>"] [] None 24
        "developers.hubspot.com, private apps";
    "salesforce-token" "salesforce" "access token" ["SF_ACCESS_TOKEN", "SALESFORCE_ACCESS_TOKEN"]
        ["00D<b 12>!<~ 90-120>"] [] None 0 "developer.salesforce.com, session ids";
    "intercom-token" "intercom" "access token" ["INTERCOM_ACCESS_TOKEN"]
        ["<v 60>"] ["intercom"] Mixed 0 "developers.intercom.com; gitleaks";
    "zendesk-token" "zendesk" "API token" ["ZENDESK_API_TOKEN"]
        ["<b 40>"] ["zendesk"] Mixed 0 "developer.zendesk.com; gitleaks";
    "asana-token" "asana" "access token" ["ASANA_ACCESS_TOKEN"]
        ["<d 1>/<d 13-18>:<x 32>", "<d 1>/<d 13-18>/<d 13-18>:<x 32>"] ["asana"] None 0
        "developers.asana.com, personal access tokens";
    "dropbox-token" "dropbox" "access token" ["DROPBOX_ACCESS_TOKEN"]
        ["sl.u.<v 130-1500>", "sl.<v 130-1500>"] [] None 0
        "dropbox.com/developers, OAuth guide; gitleaks";
    "mapbox-token" "mapbox" "secret token" ["MAPBOX_SECRET_TOKEN"]
        ["sk.eyJ<u 50-120>.<u 22>"] [] None 24 "docs.mapbox.com, access tokens";
    "okta-token" "okta" "API token" ["OKTA_API_TOKEN", "OKTA_CLIENT_TOKEN"]
        ["00<v 40>"] ["okta"] None 0 "developer.okta.com; gitleaks";
    "frameio-token" "frameio" "developer token" ["FRAMEIO_TOKEN"]
        ["fio-u-<u 64>"] [] None 24 "developer.frame.io; gitleaks";
    "adobe-secret" "adobe" "client secret" ["ADOBE_CLIENT_SECRET"]
        ["p8e-<u 32>"] [] None 0 "developer.adobe.com; gitleaks";
};
