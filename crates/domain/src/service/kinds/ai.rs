//! Models, and what agents search and see with.

use super::{Check, Kind, kinds};

/// One kind a paragraph.
pub(super) const KINDS: &[Kind] = kinds! {
    "anthropic-key" "anthropic" "API key" ["ANTHROPIC_API_KEY"]
        ["sk-ant-api03-<u 93>AA", "sk-ant-admin01-<u 93>AA"] [] None 30
        "docs.claude.com, API overview; gitleaks";
    "anthropic-oauth-token" "anthropic" "OAuth token" ["CLAUDE_CODE_OAUTH_TOKEN"]
        ["sk-ant-oat01-<u 93>AA", "sk-ant-ort01-<u 93>AA"] [] None 30
        "docs.claude.com, identity and access";
    "openrouter-key" "openrouter" "API key" ["OPENROUTER_API_KEY"]
        ["sk-or-v1-<x 64>"] [] None 30 "openrouter.ai/docs, authentication";
    "openai-key" "openai" "API key" ["OPENAI_API_KEY"]
        ["sk-proj-<u 74>T3BlbkFJ<u 74>", "sk-proj-<u 58>T3BlbkFJ<u 58>",
         "sk-svcacct-<u 74>T3BlbkFJ<u 74>", "sk-svcacct-<u 58>T3BlbkFJ<u 58>",
         "sk-admin-<u 74>T3BlbkFJ<u 74>", "sk-admin-<u 58>T3BlbkFJ<u 58>"]
        [] None 30 "platform.openai.com/docs; gitleaks";
    "openai-legacy-key" "openai" "API key" ["OPENAI_API_KEY"]
        ["sk-<b 20>T3BlbkFJ<b 20>"] [] None 0 "platform.openai.com/docs; gitleaks";
    "huggingface-token" "huggingface" "access token" ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]
        ["hf_<t 34>", "api_org_<t 34>"] [] None 24 "huggingface.co/docs, user access tokens";
    "groq-key" "groq" "API key" ["GROQ_API_KEY"]
        ["gsk_<b 52>"] [] None 24 "console.groq.com/docs";
    "xai-key" "xai" "API key" ["XAI_API_KEY"]
        ["xai-<b 80>"] [] None 24 "docs.x.ai";
    "perplexity-key" "perplexity" "API key" ["PERPLEXITY_API_KEY"]
        ["pplx-<b 48>"] [] None 24 "docs.perplexity.ai; gitleaks";
    "replicate-token" "replicate" "API token" ["REPLICATE_API_TOKEN"]
        ["r8_<b 37>"] [] None 24 "replicate.com/docs, API tokens";
    "together-key" "together" "API key" ["TOGETHER_API_KEY"]
        ["tgp_v1_<u 43>"] [] None 24 "docs.together.ai";
    "fireworks-key" "fireworks" "API key" ["FIREWORKS_API_KEY"]
        ["fw_<b 22-24>"] [] Mixed 0 "docs.fireworks.ai";
    "cerebras-key" "cerebras" "API key" ["CEREBRAS_API_KEY"]
        ["csk-<a 48>"] [] None 24 "inference-docs.cerebras.ai";
    "nvidia-key" "nvidia" "API key" ["NVIDIA_API_KEY"]
        ["nvapi-<u 64>"] [] None 24 "docs.api.nvidia.com";
    "deepseek-key" "deepseek" "API key" ["DEEPSEEK_API_KEY"]
        ["sk-<x 32>"] ["deepseek"] None 0 "api-docs.deepseek.com";
    "mistral-key" "mistral" "API key" ["MISTRAL_API_KEY"]
        ["<b 32>"] ["mistral"] Mixed 0 "docs.mistral.ai";
    "cohere-key" "cohere" "API key" ["COHERE_API_KEY", "CO_API_KEY"]
        ["<b 40>"] ["cohere", "coapikey"] Mixed 0 "docs.cohere.com; gitleaks";
    "elevenlabs-key" "elevenlabs" "API key" ["ELEVENLABS_API_KEY", "ELEVEN_API_KEY"]
        ["sk_<x 48>"] [] None 0 "elevenlabs.io/docs, authentication";
    "deepgram-key" "deepgram" "API key" ["DEEPGRAM_API_KEY"]
        ["<x 40>"] ["deepgram"] Mixed 0 "developers.deepgram.com";
    "assemblyai-key" "assemblyai" "API key" ["ASSEMBLYAI_API_KEY"]
        ["<x 32>"] ["assemblyai"] Mixed 0 "assemblyai.com/docs";
    "langsmith-key" "langsmith" "API key" ["LANGSMITH_API_KEY", "LANGCHAIN_API_KEY"]
        ["lsv2_pt_<x 32>_<x 10>", "lsv2_sk_<x 32>_<x 10>"] [] None 24 "docs.langchain.com";
    "langfuse-key" "langfuse" "secret key" ["LANGFUSE_SECRET_KEY"]
        ["sk-lf-<uuid>"] [] None 24 "langfuse.com/docs";
    "pinecone-key" "pinecone" "API key" ["PINECONE_API_KEY"]
        ["pcsk_<w 60-80>"] [] None 24 "docs.pinecone.io, authentication";
    "voyage-key" "voyage" "API key" ["VOYAGE_API_KEY"]
        ["pa-<u 43>"] ["voyage"] Mixed 0 "docs.voyageai.com";
    "jina-key" "jina" "API key" ["JINA_API_KEY"]
        ["jina_<x 32><u 28>"] [] None 24 "jina.ai/embeddings";
    "tavily-key" "tavily" "API key" ["TAVILY_API_KEY"]
        ["tvly-<b 32>", "tvly-dev-<b 32>"] [] None 24 "docs.tavily.com";
    "firecrawl-key" "firecrawl" "API key" ["FIRECRAWL_API_KEY"]
        ["fc-<x 32>"] [] None 0 "docs.firecrawl.dev";
    "brave-key" "brave" "search API key" ["BRAVE_API_KEY"]
        ["BSA<u 28>"] [] Mixed 0 "api-dashboard.search.brave.com";
    "exa-key" "exa" "API key" ["EXA_API_KEY"]
        ["<uuid>"] ["exaapi", "exakey"] None 0 "docs.exa.ai";
    "serpapi-key" "serpapi" "API key" ["SERPAPI_API_KEY", "SERPAPI_KEY"]
        ["<x 64>"] ["serpapi"] Mixed 0 "serpapi.com";
    "apify-token" "apify" "API token" ["APIFY_TOKEN"]
        ["apify_api_<b 36>"] [] None 24 "docs.apify.com";
    "e2b-key" "e2b" "API key" ["E2B_API_KEY"]
        ["e2b_<x 40>"] [] None 24 "e2b.dev/docs, API key";
};
