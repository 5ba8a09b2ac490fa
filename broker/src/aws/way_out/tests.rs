//! Where requests go, and how they are signed, where nobody could be asked in a test.

use super::*;
use secretref_domain::value::SecretValue;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

/// Keeps where a request would go, and its headers; it goes nowhere.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(String, String)>>>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

impl HttpClient for Kept {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Kept {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let headers = request.headers().iter().map(|(name, value)| format!("{name}: {value}"));
        let kept = (request.uri().to_owned(), headers.collect::<Vec<_>>().join("\n"));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        HttpConnectorFuture::new(async { Err(ConnectorError::io("nobody is there".into())) })
    }
}

/// The requests that are made for one question.
async fn asked(settings: Value) -> Vec<(String, String)> {
    let key = Arc::new(SecretValue::new(b"a-key".to_vec()).unwrap());
    let own = |name: &str| (name == "secretAccessKey").then(|| Arc::clone(&key));
    let place = ("secrets.providers.aws".to_owned(), "secretref provider check aws".to_owned());
    let settings = Settings::read(place, settings.as_object().unwrap(), own).unwrap();
    let credentials = Credentials::new("AKIA", "a-key", Some("a-token".into()), None, "test");
    let kept = Kept::default();
    let client =
        Client::from_conf(config(&settings, credentials).http_client(kept.clone()).build());
    client.get_secret_value().secret_id("it").send().await.unwrap_err();
    kept.0.lock().unwrap().clone()
}

#[tokio::test]
async fn a_region_has_its_own_endpoint_over_tls() {
    for (region, host) in [
        ("eu-central-1", "secretsmanager.eu-central-1.amazonaws.com"),
        ("us-gov-west-1", "secretsmanager.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "secretsmanager.cn-north-1.amazonaws.com.cn"),
    ] {
        let given = json!({
            "region": region, "accessKeyId": "AKIA", "secretAccessKey": {"secretRef": "s"},
        });
        let asked = asked(given).await;
        // Nothing is tried again: that is decided where all providers are asked.
        assert_eq!(asked.len(), 1, "{asked:?}");
        let (uri, headers) = &asked[0];
        assert_eq!(*uri, format!("https://{host}/"));
        assert!(headers.contains(&format!("/{region}/secretsmanager/aws4_request")), "{headers}");
        assert!(headers.contains("x-amz-security-token: a-token"), "{headers}");
        assert!(headers.contains("x-amz-target: secretsmanager.GetSecretValue"), "{headers}");
        assert!(!headers.contains("a-key"), "{headers}");
    }
}

#[tokio::test]
async fn an_endpoint_of_one_s_own_is_the_only_one() {
    for (endpoint, uri) in [
        ("https://vpce-1.secretsmanager.eu-central-1.vpce.amazonaws.com/", None),
        ("http://localhost:4566", Some("http://127.0.0.1:4566/")),
    ] {
        let given = json!({
            "region": "eu-central-1", "endpoint": endpoint, "accessKeyId": "AKIA",
            "secretAccessKey": {"secretRef": "s"},
        });
        let asked = asked(given).await;
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(asked[0].0, uri.unwrap_or(endpoint));
    }
}
