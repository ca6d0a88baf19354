use serde_json::json;

use super::*;

#[test]
fn only_the_right_signature_of_the_raw_body_is_taken() {
    // The example of GitHub's documentation.
    let secret = "It's a Secret to Everybody";
    let signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert!(verified::<Hmac<sha2::Sha256>>(secret, b"Hello, World!", Some(signature)));
    assert!(!verified::<Hmac<sha2::Sha256>>(secret, b"Hello, World?", Some(signature)));
    assert!(!verified::<Hmac<sha2::Sha256>>(secret, b"Hello, World!", Some(&signature[..62])));
    assert!(!verified::<Hmac<sha2::Sha256>>(secret, b"Hello, World!", None));
}

#[test]
fn repeats_are_told_apart_within_bounds() {
    let seen = Seen::default();
    assert!(seen.is_new("first"));
    assert!(!seen.is_new("first"));
    for n in 0..REMEMBERED {
        assert!(seen.is_new(&n.to_string()));
    }
    assert!(seen.is_new("first"), "forgotten by now");
}

#[test]
fn events_are_good_for_ten_minutes() {
    let now = Timestamp::UNIX_EPOCH + Duration::from_hours(1);
    let made = |ago: i64| json!({ "createdAt": now.as_millisecond() - ago * 1000 });
    assert!(is_fresh(&made(0), now));
    assert!(is_fresh(&made(599), now));
    assert!(!is_fresh(&made(601), now));
    assert!(is_fresh(&made(-30), now), "our clock goes after theirs");
    assert!(!is_fresh(&json!({}), now));
    assert!(!is_fresh(&json!({ "createdAt": "yesterday" }), now));
    assert!(!is_fresh(&json!({ "createdAt": i64::MAX }), now));
}

#[test]
fn only_pushes_to_the_default_branch_are_hints() {
    let push = |branch: &str| {
        let payload = json!({ "ref": branch, "after": "abc", "repository": { "default_branch": "main" } });
        github_hint("push", &payload)
    };
    assert_eq!(push("refs/heads/main"), Some(Hint::Pushed("abc".into())));
    assert_eq!(push("refs/heads/other"), None);
    assert_eq!(push("refs/tags/main"), None);
    let created = json!({ "action": "created", "repository": {} });
    assert_eq!(github_hint("repository", &created), None);
    assert_eq!(github_hint("repository_ruleset", &json!({ "repository": {} })), Some(Hint::Repository));
    let pull_request = |action: &str| github_hint("pull_request", &json!({ "action": action, "repository": {} }));
    for action in ["opened", "synchronize", "closed", "reopened"] {
        assert_eq!(pull_request(action), Some(Hint::PullRequests), "{action}");
    }
    assert_eq!(pull_request("labeled"), None);
    assert_eq!(github_hint("issue_comment", &json!({ "action": "created", "repository": {} })), None, "ours, mostly");
    assert_eq!(github_hint("ping", &json!({})), None);
}
