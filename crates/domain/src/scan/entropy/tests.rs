use super::*;

#[test]
fn words_are_not_drawn_and_lots_are() {
    for words in ["payment-service-token-v2", "PAYMENT_TOKEN_1", "correcthorsebattery", "aaaaaaaa1"]
    {
        assert!(!drawn(words, false), "{words}");
    }
    for lots in ["k3Jf9aQz7LmX2pRt", "9f86d081884c7d659a2feaa0"] {
        assert!(drawn(lots, false), "{lots}");
    }
    assert!(drawn("hunter2x", true) && !drawn("hunter2x", false));
}
