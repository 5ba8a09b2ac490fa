//! The manifest's tests: the article's examples, every key, every way to get one wrong, and that
//! no error repeats a secret.

mod bytes;
mod forms;
mod keys;
mod literals;
mod merging;
mod mutations;
mod refusals;
mod rendering;
mod seeds;

use super::*;

const SEEDS: [(&str, &str); 4] = [
    ("1.2", include_str!("../../../../docs/examples/article/1.2-stripe-analyst.json")),
    ("2.2", include_str!("../../../../docs/examples/article/2.2-finance-analyst.json")),
    ("3.2", include_str!("../../../../docs/examples/article/3.2-payment-analyst.json")),
    ("4.2", include_str!("../../../../docs/examples/article/4.2-environments.json")),
];
/// The article's provider file, which is no manifest.
const RECORDS: &str = include_str!("../../../../docs/examples/article/2.1-secrets.json");
/// Every key of every object at least once, with values that are allowed.
const EVERY_KEY: &str = include_str!("testdata/every-key.json");

/// Reads one file in JSON. The schema takes whatever the reader takes.
fn one(text: &str) -> Result<Manifest, ManifestErrors> {
    let read = parse(&[("m.json", text.as_bytes())]);
    if read.is_ok() {
        let value = serde_json::from_str(text).unwrap();
        schema_takes(&value).unwrap_or_else(|why| panic!("the schema refuses {text}:\n{why}"));
    }
    read
}

thread_local! {
    static SCHEMA: (boon::Schemas, boon::SchemaIndex) = {
        const PLACE: &str = "https://secretref.example/manifest.schema.json";
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.add_resource(PLACE, schema::schema()).unwrap();
        let index = compiler.compile(PLACE, &mut schemas).unwrap();
        (schemas, index)
    };
}

/// Whether a document is in the schema, or why it is not.
fn schema_takes(document: &serde_json::Value) -> Result<(), String> {
    SCHEMA.with(|(schemas, index)| {
        schemas.validate(document, *index).map_err(|error| format!("{error:#}"))
    })
}

fn good(text: &str) -> Manifest {
    one(text).unwrap_or_else(|errors| panic!("refused:\n{errors}\n{text}"))
}

fn bad(text: &str) -> Vec<ManifestError> {
    match one(text) {
        Err(errors) => errors.0,
        Ok(_) => panic!("accepted: {text}"),
    }
}

/// The one error of a manifest.
fn only(text: &str) -> ManifestError {
    let mut errors = bad(text);
    assert_eq!(errors.len(), 1, "{errors:#?}\n{text}");
    errors.remove(0)
}

/// A manifest with one agent `a` of these members.
fn agent(members: &str) -> String {
    format!("{{\"agents\": {{\"a\": {{{members}}}}}}}")
}

/// A manifest with one credential `k` of tool `t`, with these members beside its ref.
fn credential(members: &str) -> String {
    agent(&format!(
        "\"tool-bindings\": {{\"t\": {{\"credentials\": {{\"k\": {{\"secretRef\": \"s\", \
         {members}}}}}}}}}"
    ))
}

fn name<T: std::str::FromStr>(given: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    given.parse().unwrap()
}
