//! Hosts of code and of packages, and what builds and ships it.

use super::{Check, Kind, kinds};

/// One kind a paragraph.
pub(super) const KINDS: &[Kind] = kinds! {
    "github-token" "github" "access token" ["GITHUB_TOKEN", "GH_TOKEN"]
        ["ghp_<b 36>", "gho_<b 36>", "ghu_<b 36>", "ghs_<b 36>", "ghr_<b 36>"]
        [] Crc62 36 "docs.github.com, about authentication to GitHub";
    "github-fine-grained-token" "github" "fine-grained access token" ["GITHUB_TOKEN", "GH_TOKEN"]
        ["github_pat_<b 22>_<b 59>"] [] None 60 "docs.github.com, about authentication to GitHub";
    "gitlab-token" "gitlab" "access token" ["GITLAB_TOKEN", "GL_TOKEN"]
        ["glpat-<u 20>", "glpat-<u 27-300>.<a 9>", "gldt-<u 20>", "glft-<u 20>", "glsoat-<u 20>",
         "glimt-<u 25>", "glptt-<x 40>", "glffct-<u 20>", "gloas-<u 64>", "glagent-<u 50>",
         "glcbt-<b 1-5>_<u 20>"]
        [] None 20 "docs.gitlab.com, token overview";
    "gitlab-runner-token" "gitlab" "runner token" ["CI_SERVER_TOKEN"]
        ["glrt-<u 20>", "glrt-t<d 1>_<u 27-300>.<a 9>", "GR1348941<u 20>"]
        [] None 20 "docs.gitlab.com, token overview";
    "bitbucket-token" "bitbucket" "access token" ["BITBUCKET_TOKEN"]
        ["ATCTT3xFf<v 180-200>", "ATBB<b 32>"] [] None 0
        "support.atlassian.com, access tokens of Bitbucket";
    "npm-token" "npm" "access token" ["NPM_TOKEN", "NODE_AUTH_TOKEN"]
        ["npm_<b 36>"] [] Crc62 36 "GitHub's blog on npm's token format, 2021";
    "pypi-token" "pypi" "upload token" ["TWINE_PASSWORD", "PYPI_TOKEN"]
        ["pypi-AgEIcHlwaS5vcmc<u 50-1000>", "pypi-AgENdGVzdC5weXBpLm9yZw<u 50-1000>"] [] None 60
        "PyPI's help: a macaroon whose location is pypi.org";
    "rubygems-key" "rubygems" "API key" ["GEM_HOST_API_KEY"]
        ["rubygems_<x 48>"] [] None 24 "RubyGems guides, API key scopes";
    "crates-io-token" "crates-io" "API token" ["CARGO_REGISTRY_TOKEN"]
        ["cio<b 32>"] [] Mixed 0 "source of the registry of Rust crates, token prefix";
    "nuget-key" "nuget" "API key" ["NUGET_API_KEY"]
        ["oy2<a 43>"] [] Mixed 0 "learn.microsoft.com, NuGet API keys";
    "clojars-token" "clojars" "deploy token" ["CLOJARS_PASSWORD"]
        ["CLOJARS_<x 60>"] [] None 24 "Clojars' wiki, deploy tokens";
    "docker-token" "docker" "access token" ["DOCKER_TOKEN", "DOCKERHUB_TOKEN"]
        ["dckr_pat_<u 27>", "dckr_oat_<u 32>"] [] None 24 "docs.docker.com, access tokens";
    "artifactory-token" "artifactory" "API key or reference token" ["JFROG_ACCESS_TOKEN"]
        ["AKCp<b 69>", "cmVmd<b 59>"] [] None 0 "jfrog.com help, access tokens; gitleaks";
    "sonarqube-token" "sonarqube" "token" ["SONAR_TOKEN"]
        ["squ_<x 40>", "sqp_<x 40>", "sqa_<x 40>"] [] None 24 "docs.sonarsource.com, tokens";
    "sourcegraph-token" "sourcegraph" "access token" ["SRC_ACCESS_TOKEN"]
        ["sgp_<X 16>_<X 40>", "sgp_local_<X 40>", "sgp_<X 40>"] [] None 24
        "sourcegraph.com/docs, access tokens";
    "postman-key" "postman" "API key" ["POSTMAN_API_KEY"]
        ["PMAK-<x 24>-<x 34>"] [] None 24 "learning.postman.com, API keys; gitleaks";
    "circleci-token" "circleci" "API token" ["CIRCLECI_TOKEN", "CIRCLE_TOKEN"]
        ["CCIPAT_<b 22>_<x 40>", "CCIPRJ_<b 22>_<x 40>"] [] None 24
        "circleci.com/docs, managing API tokens";
    "buildkite-token" "buildkite" "API token" ["BUILDKITE_API_TOKEN"]
        ["bkua_<x 40>"] [] None 24 "buildkite.com/docs, API access tokens";
    "terraform-token" "terraform" "API token" ["TFE_TOKEN", "TF_TOKEN_app_terraform_io"]
        ["<b 14>.atlasv1.<v 60-70>"] [] None 0 "developer.hashicorp.com, API tokens; gitleaks";
    "pulumi-token" "pulumi" "access token" ["PULUMI_ACCESS_TOKEN"]
        ["pul-<x 40>"] [] None 0 "pulumi.com/docs, access tokens";
    "octopus-key" "octopus" "API key" ["OCTOPUS_API_KEY"]
        ["API-<A 26>"] [] Mixed 0 "octopus.com/docs, how to create an API key";
    "infracost-key" "infracost" "API key" ["INFRACOST_API_KEY"]
        ["ico-<b 32>"] [] None 0 "infracost.io/docs; gitleaks";
    "harness-token" "harness" "API token" ["HARNESS_PLATFORM_API_KEY"]
        ["pat.<u 22>.<b 24>.<b 20>", "sat.<u 22>.<b 24>.<b 20>"] [] None 0
        "developer.harness.io, API keys";
    "launchdarkly-key" "launchdarkly" "SDK or API key" ["LAUNCHDARKLY_SDK_KEY"]
        ["sdk-<uuid>", "api-<uuid>"] [] None 0 "launchdarkly.com/docs, SDK credentials";
    "snyk-token" "snyk" "API token" ["SNYK_TOKEN"]
        ["<uuid>"] ["snyktoken", "snykapi", "snykkey"] None 0 "docs.snyk.io, authentication";
    "codecov-token" "codecov" "upload token" ["CODECOV_TOKEN"]
        ["<uuid>"] ["codecov"] None 0 "docs.codecov.com, tokens";
    "travis-token" "travis" "API token" ["TRAVIS_TOKEN"]
        ["<u 22>"] ["travistoken", "travisapi"] Mixed 0 "docs.travis-ci.com, API; gitleaks";
};
