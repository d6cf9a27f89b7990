//! Namespaces from their making to their end.

use prost_types::{Duration, FieldMask};

use super::*;

fn create(name: &str, retention: Option<Duration>) -> proto::CreateNamespaceRequest {
    proto::CreateNamespaceRequest { name: name.to_owned(), retention }
}

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_comes_back_as_it_was_made() {
    for (database, api) in servers().await {
        let root = api.admin(&[]).await;
        let retention = Some(Duration { seconds: 1, nanos: 500_000_999 });
        let created = root.create_namespace(create("demo", retention)).await.unwrap();
        assert_eq!(created.retention, Some(Duration { seconds: 1, nanos: 500_000_000 }));
        assert!(created.created_at.unwrap().seconds > 1_700_000_000);
        for named in ["demo", &created.namespace_id] {
            assert_eq!(root.get(named).await.unwrap(), created);
        }
        for (name, retention) in [("shortest", 1), ("longest", 36_500 * 86_400)] {
            let created = root.create_namespace(create(name, seconds(retention))).await.unwrap();
            assert_eq!(created.retention, seconds(retention));
        }
        assert_eq!(root.namespace("kept").await.retention, None);

        let again = root.create_namespace(create("demo", None)).await;
        refused(again, Code::AlreadyExists, "NAMESPACE_EXISTS");
        for name in ["", "De", "-a", "a_b", "a\0", &"a".repeat(64), "ns_0000000000000001"] {
            let wrong = root.create_namespace(create(name, None)).await.unwrap_err();
            assert_eq!(
                (wrong.code(), violated(&wrong)),
                (Code::InvalidArgument, vec!["name".to_owned()])
            );
        }
        for (retention, field) in [
            (seconds(0), "retention"),
            (seconds(-1), "retention"),
            (Some(Duration { seconds: 0, nanos: 999_999_999 }), "retention"),
            (seconds(36_500 * 86_400 + 1), "retention"),
            (seconds(i64::MAX), "retention"),
            (Some(Duration { seconds: 1, nanos: -1 }), "retention.nanos"),
            (Some(Duration { seconds: 1, nanos: 1_000_000_000 }), "retention.nanos"),
        ] {
            let wrong = root.create_namespace(create("A", retention)).await.unwrap_err();
            assert_eq!(violated(&wrong), ["name", field]);
        }
        for missing in ["nowhere", "ns_0000000000000001"] {
            refused(root.get(missing).await, Code::NotFound, "NAMESPACE_NOT_FOUND");
            refused(root.delete(missing, true).await, Code::NotFound, "NAMESPACE_NOT_FOUND");
        }
        for wrong in ["", "No", "ns_1", "a\0"] {
            assert_eq!(violated(&root.get(wrong).await.unwrap_err()), ["namespace_ref"]);
            assert_eq!(violated(&root.delete(wrong, true).await.unwrap_err()), ["namespace_ref"]);
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_size_lists_all_namespaces_by_name() {
    for (database, api) in servers().await {
        let root = api.admin(&[]).await;
        let names = ["0", "9", "a", "a-", "a-b", "a0", "aa", "b"];
        for name in names.iter().rev() {
            root.namespace(name).await;
        }
        let list = |page_size: usize, page_token: String| {
            let page_size = i32::try_from(page_size).unwrap();
            root.list_namespaces(proto::ListNamespacesRequest { page_size, page_token })
        };
        for page_size in 1..=names.len() + 1 {
            let (mut found, mut token) = (Vec::new(), String::new());
            loop {
                let page = list(page_size, token).await.unwrap();
                assert!(page.namespaces.len() <= page_size && !page.namespaces.is_empty());
                found.extend(page.namespaces.into_iter().map(|namespace| namespace.name));
                token = page.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            assert!(found == names, "{page_size}: {found:?}");
        }
        // A token survives what it names.
        let first = list(2, String::new()).await.unwrap();
        root.delete(&first.namespaces[1].name, false).await.unwrap();
        let second = list(0, first.next_page_token.clone()).await.unwrap();
        assert_eq!(second.namespaces.len(), names.len() - 2);

        let negative = proto::ListNamespacesRequest { page_size: -1, page_token: String::new() };
        let negative = root.list_namespaces(negative).await.unwrap_err();
        assert_eq!(violated(&negative), ["page_size"]);
        for token in ["x", "é", &first.next_page_token[1..], &"A".repeat(10_000)] {
            let broken = list(1, token.to_owned()).await.unwrap_err();
            assert_eq!(reason(&broken), "INVALID_PAGE_TOKEN");
            assert_eq!(violated(&broken), ["page_token"]);
        }
        let of_keys = proto::ListApiKeysRequest { page_size: 1, page_token: first.next_page_token };
        let foreign = root.list_api_keys(of_keys).await;
        refused(foreign, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retention_changes_and_hides_at_once() {
    for (database, api) in servers().await {
        let root = api.admin(&[]).await;
        let namespace = root.namespace("demo").await;
        let secret = root.create_api_key(new_key(&[Scope::Read, Scope::Write], &[])).await.unwrap();
        let reader = api.with(&secret.secret);
        // Years old, and a moment old.
        reader.record(Some("demo"), click(1)).await.unwrap();
        let recent = proto::Interaction { timestamp: None, ..click(2) };
        reader.record(Some("demo"), recent).await.unwrap();
        let counts = async || {
            let by_name = reader.count(Some("demo")).await.unwrap();
            let by_id = reader.count(Some(&namespace.namespace_id)).await.unwrap();
            (by_name, by_id)
        };
        let update = |retention, paths: Option<&[&str]>| {
            root.update_namespace(proto::UpdateNamespaceRequest {
                namespace_ref: "demo".to_owned(),
                retention,
                update_mask: paths.map(|paths| FieldMask {
                    paths: paths.iter().map(|path| (*path).to_owned()).collect(),
                }),
            })
        };
        assert_eq!(counts().await, (2, 2));
        for (retention, paths, expected, count) in [
            (seconds(3_600), None, seconds(3_600), 1),
            (None, Some(&["retention"][..]), None, 2),
            (seconds(7_200), Some(&["retention"]), seconds(7_200), 1),
            (None, Some(&["*"]), None, 2),
            (seconds(3_600), Some(&[]), seconds(3_600), 1),
            (seconds(36_500 * 86_400), Some(&["*", "retention"]), seconds(36_500 * 86_400), 2),
        ] {
            let updated = update(retention, paths).await.unwrap();
            assert_eq!(updated.retention, expected, "{paths:?}");
            assert_eq!(updated, root.get("demo").await.unwrap());
            assert_eq!(counts().await, (count, count), "{paths:?} {retention:?}");
        }
        for (retention, paths, fields) in [
            (None, None, vec!["update_mask"]),
            (None, Some(&[][..]), vec!["update_mask"]),
            (seconds(60), Some(&["name"]), vec!["update_mask.paths[0]"]),
            (seconds(0), Some(&["retention", "nope"]), vec!["update_mask.paths[1]", "retention"]),
        ] {
            assert_eq!(violated(&update(retention, paths).await.unwrap_err()), fields);
        }
        let missing = proto::UpdateNamespaceRequest {
            namespace_ref: "nowhere".to_owned(),
            retention: seconds(60),
            update_mask: None,
        };
        let missing = root.update_namespace(missing).await;
        refused(missing, Code::NotFound, "NAMESPACE_NOT_FOUND");
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_namespace_is_gone_at_once_and_its_name_is_free() {
    for (database, api) in servers().await {
        let root = api.admin(&[]).await;
        let everywhere = root.create_api_key(new_key(&[Scope::Read, Scope::Write], &[])).await;
        let everywhere = api.with(&everywhere.unwrap().secret);
        // One that was asked for in vain is there as soon as it is made.
        refused(everywhere.count(Some("demo")).await, Code::PermissionDenied, "NAMESPACE_DENIED");
        let first = root.namespace("demo").await;
        assert_eq!(everywhere.count(Some("demo")).await.unwrap(), 0);
        root.delete("demo", false).await.unwrap();
        refused(root.delete("demo", false).await, Code::NotFound, "NAMESPACE_NOT_FOUND");

        let second = root.namespace("demo").await;
        assert_ne!(first.namespace_id, second.namespace_id);
        let confined = proto::CreateApiKeyRequest {
            default_namespace: "demo".to_owned(),
            ..new_key(&[Scope::Read, Scope::Write], &["demo"])
        };
        let confined = root.create_api_key(confined).await.unwrap();
        let (key, confined) = (confined.api_key.unwrap(), api.with(&confined.secret));
        confined.record(None, click(1)).await.unwrap();
        // What its retention hides is there as well, until it is removed.
        let hide = proto::UpdateNamespaceRequest {
            namespace_ref: "demo".to_owned(),
            retention: seconds(60),
            update_mask: None,
        };
        root.update_namespace(hide).await.unwrap();
        assert_eq!(confined.count(None).await.unwrap(), 0);
        let kept = root.delete("demo", false).await;
        refused(kept, Code::FailedPrecondition, "NAMESPACE_NOT_EMPTY");
        assert_eq!(root.get("demo").await.unwrap().namespace_id, second.namespace_id);
        root.delete(&second.namespace_id, true).await.unwrap();

        for named in ["demo", &second.namespace_id] {
            refused(root.get(named).await, Code::NotFound, "NAMESPACE_NOT_FOUND");
        }
        let third = root.namespace("demo").await;
        let other = root.namespace("other").await;
        let (second, third) = (second.namespace_id.as_str(), third.namespace_id.as_str());
        for named in [
            None,
            Some("demo"),
            Some(second),
            Some(third),
            Some("other"),
            Some(&other.namespace_id),
        ] {
            refused(confined.count(named).await, Code::PermissionDenied, "NAMESPACE_DENIED");
            let record = confined.record(named, click(2)).await;
            refused(record, Code::PermissionDenied, "NAMESPACE_DENIED");
        }
        refused(everywhere.count(Some(second)).await, Code::PermissionDenied, "NAMESPACE_DENIED");
        for named in ["demo", third] {
            assert_eq!(everywhere.count(Some(named)).await.unwrap(), 0);
        }
        assert_eq!(root.get_key(&key.key_id).await.unwrap().namespace_ids, [second]);
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_delete_a_namespace_one_does() {
    for (database, api) in servers().await {
        let root = api.admin(&[]).await;
        for _ in 0..10 {
            root.namespace("demo").await;
            let (one, other) = tokio::join!(root.delete("demo", true), root.delete("demo", false));
            let (deleted, late) = if one.is_ok() { (one, other) } else { (other, one) };
            deleted.unwrap();
            refused(late, Code::NotFound, "NAMESPACE_NOT_FOUND");
            refused(root.get("demo").await, Code::NotFound, "NAMESPACE_NOT_FOUND");
        }
        database.remove().await;
    }
}
