use prost_types::{Duration, Timestamp};

use super::*;

const NOW: Micros = 1_750_000_000_000_000;

fn fields<T: std::fmt::Debug>(refused: Result<T, Violations>) -> Vec<String> {
    refused.unwrap_err().into_iter().map(|violation| violation.field).collect()
}

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

#[test]
fn everything_wrong_with_a_key_is_said_at_once() {
    let request = proto::CreateApiKeyRequest {
        name: "a\0".to_owned(),
        scopes: vec![1, 0, 9],
        namespaces: ["ok", "", "No"].map(str::to_owned).into(),
        default_namespace: "ns_1".to_owned(),
        expires_at: Some(Timestamp { seconds: 1, nanos: 0 }),
    };
    let expected = [
        "name",
        "scopes[1]",
        "scopes[2]",
        "namespaces[1]",
        "namespaces[2]",
        "default_namespace",
        "expires_at",
    ];
    assert_eq!(fields(key_draft(request, NOW)), expected);
    let empty = proto::CreateApiKeyRequest::default();
    assert_eq!(fields(key_draft(empty.clone(), NOW)), ["name", "scopes"]);
    let many = proto::CreateApiKeyRequest {
        name: "k".to_owned(),
        scopes: vec![1, 2, 1],
        namespaces: vec!["a".to_owned(); 101],
        expires_at: Some(Timestamp { seconds: i64::MAX, nanos: 0 }),
        ..empty
    };
    assert_eq!(fields(key_draft(many, NOW)), ["scopes[2]", "namespaces", "expires_at"]);
}

#[test]
fn an_update_changes_what_its_mask_names_or_what_is_set() {
    let request = |retention, paths: Option<&[&str]>| proto::UpdateNamespaceRequest {
        namespace_ref: "demo".to_owned(),
        retention,
        update_mask: paths
            .map(|paths| FieldMask { paths: paths.iter().map(|path| path.to_string()).collect() }),
    };
    for paths in [None, Some(&[][..])] {
        let change = new_retention(request(seconds(60), paths)).unwrap();
        assert_eq!(change.retention, Some(60_000_000));
        assert_eq!(fields(new_retention(request(None, paths))), ["update_mask"]);
    }
    for path in ["retention", "*"] {
        let paths = Some(&[path][..]);
        let change = new_retention(request(seconds(60), paths)).unwrap();
        assert_eq!(change.retention, Some(60_000_000));
        assert_eq!(new_retention(request(None, paths)).unwrap().retention, None);
    }
    let wrong = request(seconds(0), Some(&["retention", "name", ""]));
    let expected = ["update_mask.paths[1]", "update_mask.paths[2]", "retention"];
    assert_eq!(fields(new_retention(wrong)), expected);
}

#[test]
fn a_rotation_has_an_overlap_whatever_is_left_out() {
    let request = |overlap| proto::RotateApiKeyRequest {
        key_id: "0123456789ab".to_owned(),
        overlap,
        expires_at: None,
    };
    assert_eq!(rotation(request(None), NOW).unwrap().overlap, 24 * 3_600 * 1_000_000);
    assert_eq!(rotation(request(seconds(0)), NOW).unwrap().overlap, 0);
    assert_eq!(rotation(request(seconds(30 * 86_400)), NOW).unwrap().overlap, 2_592_000_000_000);
    for wrong in [seconds(-1), seconds(30 * 86_400 + 1), Some(Duration { seconds: 0, nanos: -1 })] {
        assert_eq!(fields(rotation(request(wrong), NOW)), ["overlap"]);
    }
    let wrong = proto::RotateApiKeyRequest {
        key_id: String::new(),
        overlap: Some(Duration { seconds: 1, nanos: -1 }),
        expires_at: Some(Timestamp { seconds: 4_000_000_000, nanos: -1 }),
    };
    assert_eq!(fields(rotation(wrong, NOW)), ["key_id", "overlap.nanos", "expires_at.nanos"]);
}
