//! Chat, mail, telephone and social networks.

use super::{Check, Kind, kinds};

/// One kind a paragraph.
pub(super) const KINDS: &[Kind] = kinds! {
    "slack-token" "slack" "token" ["SLACK_BOT_TOKEN", "SLACK_TOKEN"]
        ["xoxb-<d 10-13>-<d 10-13>-<b 24>", "xoxb-<d 8-14>-<b 18-26>",
         "xoxp-<d 10-13>-<d 10-13>-<d 10-13>-<x 28-34>", "xoxa-2-<d 8-13>-<d 8-13>-<d 8-13>-<x 32>",
         "xoxr-<d 8-13>-<d 8-13>-<d 8-13>-<x 32>", "xoxs-<d 8-13>-<d 8-13>-<d 8-13>-<x 10-64>",
         "xoxe.xoxb-1-<b 163-166>", "xoxe.xoxp-1-<b 163-166>", "xoxe-1-<b 146>"]
        [] None 16 "api.slack.com, token types; gitleaks";
    "slack-app-token" "slack" "app-level token" ["SLACK_APP_TOKEN"]
        ["xapp-1-<A 9-13>-<d 10-13>-<x 64>"] [] None 16 "api.slack.com, token types";
    "slack-webhook" "slack" "webhook" ["SLACK_WEBHOOK_URL"]
        ["https://hooks.slack.com/services/T<A 8-12>/B<A 8-12>/<b 24>",
         "https://hooks.slack.com/triggers/T<A 8-12>/<d 10-16>/<x 32>",
         "https://hooks.slack.com/workflows/T<A 8-12>/A<A 8-12>/<d 17-20>/<b 24>"]
        [] None 40 "api.slack.com, incoming webhooks";
    "discord-bot-token" "discord" "bot token" ["DISCORD_TOKEN", "DISCORD_BOT_TOKEN"]
        ["<u 24>.<u 6>.<u 27>", "<u 24>.<u 6>.<u 38>", "<u 26>.<u 6>.<u 27>", "<u 26>.<u 6>.<u 38>"]
        [] Snowflake 0
        "discord.com/developers/docs, authentication";
    "discord-webhook" "discord" "webhook" ["DISCORD_WEBHOOK_URL"]
        ["https://discord.com/api/webhooks/<d 17-20>/<u 68>",
         "https://discordapp.com/api/webhooks/<d 17-20>/<u 68>"]
        [] None 50 "discord.com/developers/docs, webhooks";
    "discord-client-secret" "discord" "client secret" ["DISCORD_CLIENT_SECRET"]
        ["<u 32>"] ["discordclientsecret"] Mixed 0 "discord.com/developers/docs, OAuth2; gitleaks";
    "telegram-bot-token" "telegram" "bot token" ["TELEGRAM_BOT_TOKEN"]
        ["<d 8>:AA<u 33>", "<d 9>:AA<u 33>", "<d 10>:AA<u 33>"] [] None 0
        "core.telegram.org/bots/api, authorizing your bot";
    "telegram-bot-url" "telegram" "bot token in a URL" ["TELEGRAM_BOT_TOKEN"]
        ["https://api.telegram.org/bot<d 8-10>:AA<u 33>"] [] None 0
        "core.telegram.org/bots/api, making requests";
    "teams-webhook" "teams" "webhook" ["TEAMS_WEBHOOK_URL"]
        [".webhook.office.com/webhookb2/<uuid>@<uuid>/IncomingWebhook/<x 32>/<uuid>"]
        [] None 0 "learn.microsoft.com, incoming webhooks of Teams";
    "mattermost-token" "mattermost" "access token" ["MATTERMOST_TOKEN", "MATTERMOST_BOT_TOKEN"]
        ["<a 26>"] ["mattermost"] Mixed 0 "developers.mattermost.com; gitleaks";
    "twilio-key" "twilio" "API key SID" ["TWILIO_API_KEY"]
        ["SK<x 32>"] [] None 0 "twilio.com/docs, API keys";
    "twilio-auth-token" "twilio" "auth token" ["TWILIO_AUTH_TOKEN"]
        ["<x 32>"] ["twilioauth", "twiliotoken", "twiliosecret"] Mixed 0
        "twilio.com/docs, auth tokens";
    "sendgrid-key" "sendgrid" "API key" ["SENDGRID_API_KEY"]
        ["SG.<u 22>.<u 43>"] [] None 30 "twilio.com/docs/sendgrid, API keys";
    "mailgun-key" "mailgun" "API key" ["MAILGUN_API_KEY"]
        ["key-<x 32>"] [] None 0 "documentation.mailgun.com, authentication";
    "mailgun-sending-key" "mailgun" "sending key" ["MAILGUN_API_KEY", "MAILGUN_SENDING_KEY"]
        ["<x 32>-<x 8>-<x 8>"] ["mailgun"] None 0 "documentation.mailgun.com; gitleaks";
    "mailchimp-key" "mailchimp" "API key" ["MAILCHIMP_API_KEY"]
        ["<x 32>-us<d 1-2>"] [] None 0 "mailchimp.com/developer, API keys";
    "postmark-token" "postmark" "server token" ["POSTMARK_SERVER_TOKEN", "POSTMARK_API_TOKEN"]
        ["<uuid>"] ["postmark"] None 0 "postmarkapp.com/developer, authentication";
    "resend-key" "resend" "API key" ["RESEND_API_KEY"]
        ["re_<b 8>_<b 24>"] [] None 0 "resend.com/docs, API keys";
    "brevo-key" "brevo" "API key" ["BREVO_API_KEY", "SENDINBLUE_API_KEY"]
        ["xkeysib-<x 64>-<b 16>", "xsmtpsib-<x 64>-<b 16>"] [] None 30
        "developers.brevo.com; gitleaks";
    "facebook-token" "facebook" "access token" ["FACEBOOK_ACCESS_TOKEN"]
        ["EAAM<b 100-300>", "EAAC<b 100-300>"] [] None 0
        "developers.facebook.com, access tokens; gitleaks";
    "twitter-bearer-token" "twitter" "bearer token" ["TWITTER_BEARER_TOKEN"]
        ["AAAAAAAAAAAAAAAAAAAAAA<% 80-100>"] [] Mixed 0
        "developer.x.com, OAuth 2.0 bearer token; gitleaks";
    "twitch-secret" "twitch" "client secret" ["TWITCH_CLIENT_SECRET"]
        ["<a 30>"] ["twitch"] Mixed 0 "dev.twitch.tv/docs, authentication; gitleaks";
    "linkedin-secret" "linkedin" "client secret" ["LINKEDIN_CLIENT_SECRET"]
        ["WPL_AP1.<b 16>.<b 6>=="] [] None 0 "learn.microsoft.com, LinkedIn authentication";
};
