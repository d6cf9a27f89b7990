//! Keys from their making to their end.

use std::time::Duration as Wait;

use interactions::domain::access::KeySecret;
use interactions::domain::time;
use prost::Message as _;
use prost_types::{Duration, Timestamp};

use super::*;

fn rotation(key_id: &str, overlap: Option<i64>) -> proto::RotateApiKeyRequest {
    let overlap = overlap.map(|seconds| Duration { seconds, nanos: 0 });
    proto::RotateApiKeyRequest { key_id: key_id.to_owned(), overlap, expires_at: None }
}

fn micros(time: Option<Timestamp>) -> i64 {
    let Timestamp { seconds, nanos } = time.unwrap();
    seconds * 1_000_000 + i64::from(nanos / 1_000)
}

fn in_seconds(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds: time::now() / 1_000_000 + seconds, nanos: 0 })
}

async fn created(root: &As<'_>, request: proto::CreateApiKeyRequest) -> (proto::ApiKey, String) {
    let answer = root.create_api_key(request).await.unwrap();
    (answer.api_key.unwrap(), answer.secret)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_what_its_scopes_say() {
    for (database, api) in servers().await {
        let root = api.admin(&[]).await;
        let namespace = root.namespace("demo").await;
        let all = [Scope::Read, Scope::Write, Scope::Admin];
        for set in 1..8 {
            let has = |scope: Scope| set >> (scope as u32 - 1) & 1 == 1;
            let mut scopes: Vec<_> = all.into_iter().filter(|scope| has(*scope)).collect();
            scopes.reverse();
            let request = proto::CreateApiKeyRequest {
                default_namespace: "demo".to_owned(),
                ..new_key(&scopes, &[&namespace.namespace_id, "demo"])
            };
            let (key, secret) = created(&root, request).await;
            scopes.reverse();
            assert_eq!(key.scopes, scopes.iter().map(|scope| *scope as i32).collect::<Vec<_>>());
            assert_eq!(key.namespace_ids, [namespace.namespace_id.as_str()]);
            assert_eq!(key.default_namespace_id, namespace.namespace_id);
            assert!(key.expires_at.is_none() && key.revoked_at.is_none());
            assert_eq!(key.key_id, KeySecret::parse(&secret).unwrap().key_id());
            let holder = api.with(&secret);
            let granted = [
                holder.count(None).await.is_ok(),
                holder.record(None, click(set)).await.is_ok(),
                holder.get("demo").await.is_ok(),
            ];
            assert_eq!(granted, all.map(has));
            let found = root.get_key(&key.key_id).await.unwrap();
            assert_eq!(proto::ApiKey { last_used_at: None, ..found }, key);
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_key_is_said() {
    for (database, api) in servers().await {
        let root = api.admin(&[]).await;
        root.namespace("demo").await;
        root.namespace("other").await;
        let wrong = proto::CreateApiKeyRequest {
            name: String::new(),
            scopes: vec![],
            namespaces: vec!["No".to_owned()],
            default_namespace: "ns_".to_owned(),
            expires_at: in_seconds(-1),
        };
        let fields = ["name", "scopes", "namespaces[0]", "default_namespace", "expires_at"];
        assert_eq!(violated(&root.create_api_key(wrong).await.unwrap_err()), fields);
        for (namespaces, default) in
            [(&["nowhere"][..], ""), (&["demo"], "nowhere"), (&[], "ns_0000000000000001")]
        {
            let request = proto::CreateApiKeyRequest {
                default_namespace: default.to_owned(),
                ..new_key(&[Scope::Read], namespaces)
            };
            let missing = root.create_api_key(request).await;
            refused(missing, Code::NotFound, "NAMESPACE_NOT_FOUND");
        }
        let beside = proto::CreateApiKeyRequest {
            default_namespace: "other".to_owned(),
            ..new_key(&[Scope::Read], &["demo"])
        };
        let beside = root.create_api_key(beside).await.unwrap_err();
        assert_eq!(violated(&beside), ["default_namespace"]);
        for key_id in ["", "short", "0123456789a\0"] {
            assert_eq!(violated(&root.get_key(key_id).await.unwrap_err()), ["key_id"]);
            assert_eq!(violated(&root.revoke(key_id).await.unwrap_err()), ["key_id"]);
            let rotated = root.rotate_api_key(rotation(key_id, Some(-1))).await.unwrap_err();
            assert_eq!(violated(&rotated), ["key_id", "overlap"]);
        }
        let nobody = "0123456789ab";
        refused(root.get_key(nobody).await, Code::NotFound, "API_KEY_NOT_FOUND");
        refused(root.revoke(nobody).await, Code::NotFound, "API_KEY_NOT_FOUND");
        let rotated = root.rotate_api_key(rotation(nobody, None)).await;
        refused(rotated, Code::NotFound, "API_KEY_NOT_FOUND");
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_size_lists_all_keys_the_oldest_first() {
    for (database, api) in servers().await {
        let root = api.admin(&[]).await;
        root.namespace("demo").await;
        let mut secrets = vec![root.secret.clone()];
        for number in 0..6 {
            let namespaces = if number % 2 == 0 { &["demo"][..] } else { &[] };
            let (key, secret) = created(&root, new_key(&[Scope::Read], namespaces)).await;
            if number == 3 {
                root.revoke(&key.key_id).await.unwrap();
            }
            secrets.push(secret);
        }
        let list = |page_size: usize, page_token: String| {
            let page_size = i32::try_from(page_size).unwrap();
            root.list_api_keys(proto::ListApiKeysRequest { page_size, page_token })
        };
        let all = list(0, String::new()).await.unwrap();
        assert!(all.api_keys.is_sorted_by_key(|key| micros(key.created_at)));
        let ids: Vec<_> = all.api_keys.iter().map(|key| key.key_id.clone()).collect();
        let mut expected: Vec<_> = secrets.iter().map(|secret| secret[8..20].to_owned()).collect();
        let mut sorted = ids.clone();
        expected.sort();
        sorted.sort();
        assert_eq!(sorted, expected);
        for page_size in 1..=secrets.len() + 1 {
            let (mut found, mut token) = (Vec::new(), String::new());
            loop {
                let page = list(page_size, token).await.unwrap();
                assert!(page.api_keys.len() <= page_size && !page.api_keys.is_empty());
                found.extend(page.api_keys);
                token = page.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(found, all.api_keys, "{page_size}");
        }
        // Neither the keys nor what stands for them leaves the service again.
        let bytes = all.encode_to_vec();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(holds(&secrets[0].as_bytes()[8..20]));
        for secret in &secrets {
            assert!(!holds(&secret.as_bytes()[20..30]));
            assert!(!holds(&KeySecret::parse(secret).unwrap().hash()[..8]));
        }
        let first = list(1, String::new()).await.unwrap().next_page_token;
        for token in ["x", &first[1..], &first[..first.len() - 3]] {
            let broken = list(1, token.to_owned()).await;
            refused(broken, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
        }
        let elsewhere = proto::ListNamespacesRequest { page_size: 1, page_token: first };
        let elsewhere = root.list_namespaces(elsewhere).await;
        refused(elsewhere, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_works_for_the_overlap_and_then_no_more() {
    for (database, api) in servers().await {
        let root = api.admin(&[]).await;
        root.namespace("demo").await;
        let request = proto::CreateApiKeyRequest {
            default_namespace: "demo".to_owned(),
            ..new_key(&[Scope::Read, Scope::Write], &["demo"])
        };
        let (first, old) = created(&root, request).await;
        let old = api.with(&old);
        old.count(None).await.unwrap();

        let answer = root.rotate_api_key(rotation(&first.key_id, Some(2))).await.unwrap();
        let (second, previous) = (answer.api_key.unwrap(), answer.previous.unwrap());
        let new = api.with(&answer.secret);
        assert_ne!(second.key_id, first.key_id);
        assert_eq!(second.key_id, KeySecret::parse(&answer.secret).unwrap().key_id());
        let expected = proto::ApiKey {
            key_id: second.key_id.clone(),
            created_at: second.created_at,
            ..first.clone()
        };
        assert_eq!(second, expected);
        let end = micros(second.created_at) + 2_000_000;
        assert_eq!(micros(previous.expires_at), end);
        assert_eq!(root.get_key(&first.key_id).await.unwrap(), previous);
        new.count(None).await.unwrap();
        let during = old.count(None).await;
        assert!(during.is_ok() || time::now() >= end, "{during:?}");
        while time::now() < end {
            tokio::time::sleep(Wait::from_millis(50)).await;
        }
        refused(old.count(None).await, Code::Unauthenticated, "INVALID_API_KEY");
        let again = root.rotate_api_key(rotation(&first.key_id, Some(1))).await;
        refused(again, Code::FailedPrecondition, "API_KEY_NOT_VALID");

        // No overlap ends it at once, however warm the cache.
        new.count(None).await.unwrap();
        let answer = root.rotate_api_key(rotation(&second.key_id, Some(0))).await.unwrap();
        refused(new.count(None).await, Code::Unauthenticated, "INVALID_API_KEY");
        api.with(&answer.secret).count(None).await.unwrap();
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_lasts_as_long_as_the_one_before() {
    const DAY: i64 = 86_400;
    for (database, api) in servers().await {
        let root = api.admin(&[]).await;
        let expiring = |seconds| proto::CreateApiKeyRequest {
            expires_at: in_seconds(seconds),
            ..new_key(&[Scope::Read], &[])
        };
        let lifetime = |key: &proto::ApiKey| micros(key.expires_at) - micros(key.created_at);
        // An overlap of a day where none is given, and no more than the old one had.
        for (days, overlap_days) in [(10, 1), (1, 1)] {
            let (first, _) = created(&root, expiring(days * DAY)).await;
            let answer = root.rotate_api_key(rotation(&first.key_id, None)).await.unwrap();
            let (second, previous) = (answer.api_key.unwrap(), answer.previous.unwrap());
            assert_eq!(lifetime(&second), lifetime(&first));
            let overlap = micros(second.created_at) + overlap_days * DAY * 1_000_000;
            assert_eq!(micros(previous.expires_at), overlap.min(micros(first.expires_at)));
        }
        let (first, _) = created(&root, expiring(DAY)).await;
        let given = proto::RotateApiKeyRequest {
            expires_at: in_seconds(7 * DAY),
            ..rotation(&first.key_id, Some(30 * DAY))
        };
        let answer = root.rotate_api_key(given.clone()).await.unwrap();
        assert_eq!(answer.api_key.unwrap().expires_at, given.expires_at);
        assert_eq!(answer.previous.unwrap().expires_at, first.expires_at);

        for (overlap, expires_at, fields) in [
            (Some(30 * DAY + 1), in_seconds(-1), &["overlap", "expires_at"][..]),
            (None, Some(Timestamp { seconds: i64::MAX, nanos: 0 }), &["expires_at"]),
            (None, Some(Timestamp { seconds: 4_000_000_000, nanos: -1 }), &["expires_at.nanos"]),
        ] {
            let wrong =
                proto::RotateApiKeyRequest { expires_at, ..rotation(&first.key_id, overlap) };
            assert_eq!(violated(&root.rotate_api_key(wrong).await.unwrap_err()), fields);
        }
        root.revoke(&first.key_id).await.unwrap();
        let revoked = root.rotate_api_key(rotation(&first.key_id, None)).await;
        refused(revoked, Code::FailedPrecondition, "API_KEY_NOT_VALID");
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_rotate_and_revoke_a_key_neither_brings_it_back() {
    for (database, api) in servers().await {
        let root = api.admin(&[]).await;
        for _ in 0..10 {
            let (key, secret) = created(&root, new_key(&[Scope::Admin], &[])).await;
            let holder = api.with(&secret);
            holder.get_key(&key.key_id).await.unwrap();
            let (rotated, revoked, counted) = tokio::join!(
                root.rotate_api_key(rotation(&key.key_id, Some(60))),
                root.revoke(&key.key_id),
                holder.get_key(&key.key_id),
            );
            drop(counted);
            revoked.unwrap();
            if let Err(status) = rotated {
                refused::<()>(Err(status), Code::FailedPrecondition, "API_KEY_NOT_VALID");
            }
            let again = holder.get_key(&key.key_id).await;
            refused(again, Code::Unauthenticated, "INVALID_API_KEY");
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_opens_nothing_at_once_and_stays_revoked() {
    for (database, api) in servers().await {
        let root = api.admin(&[]).await;
        root.namespace("demo").await;
        let (key, secret) = created(&root, new_key(&[Scope::Read], &[])).await;
        let holder = api.with(&secret);
        holder.count(Some("demo")).await.unwrap();
        let before = time::now();
        let revoked = root.revoke(&key.key_id).await.unwrap();
        refused(holder.count(Some("demo")).await, Code::Unauthenticated, "INVALID_API_KEY");
        assert!((before..=time::now()).contains(&micros(revoked.revoked_at)));
        assert_eq!(root.revoke(&key.key_id).await.unwrap(), revoked);
        assert_eq!(root.get_key(&key.key_id).await.unwrap(), revoked);
        // Whoever revokes the key in hand has none.
        let own = root.secret[8..20].to_owned();
        root.revoke(&own).await.unwrap();
        refused(root.get_key(&own).await, Code::Unauthenticated, "INVALID_API_KEY");
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_use_shows_once_it_is_written_down() {
    for (database, api) in servers().await {
        let root = api.admin(&[]).await;
        root.namespace("demo").await;
        let (key, secret) = created(&root, new_key(&[Scope::Read], &[])).await;
        let before = time::now();
        api.with(&secret).count(Some("demo")).await.unwrap();
        assert!(root.get_key(&key.key_id).await.unwrap().last_used_at.is_none());
        let uses = api.auth.take_uses();
        api.repository.touch_keys(&uses).await.unwrap();
        let used = root.get_key(&key.key_id).await.unwrap();
        assert!((before..=time::now()).contains(&micros(used.last_used_at)));
        // Another server may be late with what it saw.
        let late: Vec<_> = uses.iter().map(|(key_id, at)| (key_id.clone(), at - 1)).collect();
        api.repository.touch_keys(&late).await.unwrap();
        assert_eq!(root.get_key(&key.key_id).await.unwrap(), used);
        database.remove().await;
    }
}
