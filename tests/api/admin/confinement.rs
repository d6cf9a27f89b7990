//! A key that is confined to namespaces sees and makes nothing beyond them.

use interactions::domain::access::Scope as DomainScope;
use interactions::repository::NewKey;
use prost_types::Duration;

use super::*;

/// Two namespaces, someone confined to the first, and a key for each way to reach something.
struct World<'api> {
    root: As<'api>,
    confined: As<'api>,
    first: proto::Namespace,
    second: proto::Namespace,
}

impl<'api> World<'api> {
    async fn new(api: &'api AdminApi) -> Self {
        let root = api.admin(&[]).await;
        let first = root.namespace("first").await;
        let second = root.namespace("second").await;
        let confined = api.admin(&[id(&first)]).await;
        Self { root, confined, first, second }
    }

    async fn key(&self, namespaces: &[&str]) -> String {
        let answer = self.root.create_api_key(new_key(&[Scope::Read], namespaces)).await.unwrap();
        answer.api_key.unwrap().key_id
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_namespaces_are_as_none() {
    for (database, api) in servers().await {
        let World { root, confined, first, second } = World::new(&api).await;
        let list = proto::ListNamespacesRequest::default();
        let listed = confined.list_namespaces(list.clone()).await.unwrap();
        assert_eq!(listed.namespaces, std::slice::from_ref(&first));
        assert_eq!(listed.next_page_token, "");
        assert_eq!(root.list_namespaces(list.clone()).await.unwrap().namespaces.len(), 2);
        let update = |named: &str| proto::UpdateNamespaceRequest {
            namespace_ref: named.to_owned(),
            retention: Some(Duration { seconds: 60, nanos: 0 }),
            update_mask: None,
        };
        for named in ["second", &second.namespace_id, "nowhere", "ns_0000000000000001"] {
            for answer in [
                confined.get(named).await.map(drop),
                confined.update_namespace(update(named)).await.map(drop),
                confined.delete(named, true).await,
            ] {
                let status = answer.unwrap_err();
                let words = status.message().replace(&format!("{named:?}"), "…");
                assert_eq!(words, "no namespace that this API key manages is called …");
                refused::<()>(Err(status), Code::NotFound, "NAMESPACE_NOT_FOUND");
            }
        }
        let create = proto::CreateNamespaceRequest { name: "third".to_owned(), retention: None };
        let created = confined.create_namespace(create.clone()).await;
        refused(created, Code::PermissionDenied, "KEY_CONFINED");
        // It does not even learn which names are taken.
        let taken = proto::CreateNamespaceRequest { name: "second".to_owned(), ..create };
        let taken = confined.create_namespace(taken).await;
        refused(taken, Code::PermissionDenied, "KEY_CONFINED");
        assert_eq!(root.get("second").await.unwrap(), second);

        assert_eq!(confined.get("first").await.unwrap(), first);
        let updated = confined.update_namespace(update(&first.namespace_id)).await.unwrap();
        assert_eq!(updated.retention.unwrap().seconds, 60);
        confined.delete("first", false).await.unwrap();
        // Confined to what is no more, it manages nothing, whatever is made afterwards.
        root.namespace("first").await;
        assert_eq!(confined.list_namespaces(list).await.unwrap().namespaces, []);
        refused(confined.get("first").await, Code::NotFound, "NAMESPACE_NOT_FOUND");
        let everything = confined.create_api_key(new_key(&[Scope::Read], &[])).await;
        refused(everything, Code::PermissionDenied, "KEY_CONFINED");
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_made_that_reaches_further() {
    for (database, api) in servers().await {
        let World { root, confined, first, second } = World::new(&api).await;
        let all = [Scope::Read, Scope::Write, Scope::Admin];
        let request = |namespaces: &[&str], default: &str| proto::CreateApiKeyRequest {
            default_namespace: default.to_owned(),
            ..new_key(&all, namespaces)
        };
        let (first, second) = (first.namespace_id.as_str(), second.namespace_id.as_str());
        for (namespaces, default) in [(&[][..], ""), (&[], "first"), (&[], first)] {
            let answer = confined.create_api_key(request(namespaces, default)).await;
            refused(answer, Code::PermissionDenied, "KEY_CONFINED");
        }
        for (namespaces, default) in [
            (&["second"][..], ""),
            (&[second], ""),
            (&["first", "second"], ""),
            (&[first, second], first),
            (&["first"], "second"),
            (&[first], second),
            (&[], "second"),
            (&["nowhere"], ""),
        ] {
            let answer = confined.create_api_key(request(namespaces, default)).await;
            refused(answer, Code::NotFound, "NAMESPACE_NOT_FOUND");
        }
        let before = root.list_api_keys(proto::ListApiKeysRequest::default()).await.unwrap();
        assert_eq!(before.api_keys.len(), 2);
        let made = confined.create_api_key(request(&["first", first], "first")).await.unwrap();
        let holder = api.with(&made.secret);
        assert_eq!(made.api_key.unwrap().namespace_ids, [first]);
        holder.count(None).await.unwrap();
        refused(holder.count(Some("second")).await, Code::PermissionDenied, "NAMESPACE_DENIED");
        // What it made is confined as well.
        let answer = holder.create_api_key(request(&[], "")).await;
        refused(answer, Code::PermissionDenied, "KEY_CONFINED");
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_reach_further_are_as_none() {
    for (database, api) in servers().await {
        let world = World::new(&api).await;
        let within = world.key(&["first"]).await;
        let foreign = [
            world.key(&[]).await,
            world.key(&["second"]).await,
            world.key(&["first", "second"]).await,
            "0123456789ab".to_owned(),
        ];
        let World { root, confined, first, second: _ } = world;
        let ids = |answer: proto::ListApiKeysResponse| {
            answer.api_keys.into_iter().map(|key| key.key_id).collect::<Vec<_>>()
        };
        let own = confined.secret[8..20].to_owned();
        let list = |page_size, page_token| proto::ListApiKeysRequest { page_size, page_token };
        let all = ids(confined.list_api_keys(list(0, String::new())).await.unwrap());
        assert_eq!(all, [own.clone(), within.clone()]);
        // The token of a page that it does not see takes it no further.
        let token = root.list_api_keys(list(1, String::new())).await.unwrap().next_page_token;
        assert_eq!(ids(confined.list_api_keys(list(0, token)).await.unwrap()), all);
        let page = confined.list_api_keys(list(1, String::new())).await.unwrap();
        let next = confined.list_api_keys(list(1, page.next_page_token)).await.unwrap();
        assert_eq!(next.next_page_token, "");
        assert_eq!(ids(next), [within.as_str()]);

        let rotate = |key_id: &str| proto::RotateApiKeyRequest {
            key_id: key_id.to_owned(),
            ..Default::default()
        };
        for key_id in &foreign {
            for answer in [
                confined.get_key(key_id).await.map(drop),
                confined.rotate_api_key(rotate(key_id)).await.map(drop),
                confined.revoke(key_id).await.map(drop),
            ] {
                refused(answer, Code::NotFound, "API_KEY_NOT_FOUND");
            }
        }
        for key in root.list_api_keys(list(0, String::new())).await.unwrap().api_keys {
            assert!(key.expires_at.is_none() && key.revoked_at.is_none(), "{key:?}");
        }
        for key_id in [&within, &own] {
            confined.get_key(key_id).await.unwrap();
            let rotated = confined.rotate_api_key(rotate(key_id)).await.unwrap();
            assert_eq!(rotated.api_key.unwrap().namespace_ids, [first.namespace_id.as_str()]);
        }
        confined.revoke(&within).await.unwrap();
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn organisations_see_nothing_of_each_other() {
    for (database, api) in servers().await {
        let World { root, confined: _, first, second: _ } = World::new(&api).await;
        let new = NewKey {
            name: "elsewhere".to_owned(),
            scopes: vec![DomainScope::Admin, DomainScope::Read],
            namespaces: vec![],
            default_namespace: None,
            expires_at: None,
        };
        let (_, secret) = api.repository.create_key_in(2, new).await.unwrap();
        let stranger = api.with(secret.expose());
        for named in ["first", &first.namespace_id] {
            refused(stranger.get(named).await, Code::NotFound, "NAMESPACE_NOT_FOUND");
            refused(stranger.delete(named, true).await, Code::NotFound, "NAMESPACE_NOT_FOUND");
            refused(stranger.count(Some(named)).await, Code::PermissionDenied, "NAMESPACE_DENIED");
            let key = stranger.create_api_key(new_key(&[Scope::Read], &[named])).await;
            refused(key, Code::NotFound, "NAMESPACE_NOT_FOUND");
        }
        let key_id = &root.secret[8..20];
        refused(stranger.get_key(key_id).await, Code::NotFound, "API_KEY_NOT_FOUND");
        refused(stranger.revoke(key_id).await, Code::NotFound, "API_KEY_NOT_FOUND");
        let keys = stranger.list_api_keys(proto::ListApiKeysRequest::default()).await.unwrap();
        assert_eq!(keys.api_keys.len(), 1);
        // A name is taken in one organisation only.
        let own = stranger.namespace("first").await;
        let namespaces = proto::ListNamespacesRequest::default();
        let listed = stranger.list_namespaces(namespaces).await.unwrap().namespaces;
        assert_eq!(listed, [own]);
        assert_eq!(root.get("first").await.unwrap(), first);
        database.remove().await;
    }
}
