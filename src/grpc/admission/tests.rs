use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::sync::Semaphore;
use tonic::Code;
use tonic_types::StatusExt as _;
use tower::service_fn;

use super::*;
use crate::domain::access::{KEY_ENTROPY_BYTES, KeySecret, Scope};
use crate::domain::time;
use crate::repository::{DEFAULT_ORGANISATION, NewKey, Repository, Settings};

/// As good as no limit.
const PLACES: usize = 1_000_000;

/// A door to a service whose calls last until the semaphore has room.
struct Door {
    repository: Repository,
    admission: Admission,
    inside: Arc<Semaphore>,
    _directory: tempfile::TempDir,
}

impl Door {
    async fn new(limits: CallLimits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings::sqlite_file(&directory.path().join("door.sqlite3"));
        let repository = Repository::connect(&settings).await.unwrap();
        repository.migrate_up().await.unwrap();
        let auth = Arc::new(Auth::new(repository.clone()));
        let (admission, inside) = (Admission::new(auth, &limits), Arc::new(Semaphore::new(PLACES)));
        Self { repository, admission, inside, _directory: directory }
    }

    async fn key(&self, expires_at: Option<i64>) -> KeySecret {
        let new = NewKey {
            name: "test".to_owned(),
            scopes: vec![Scope::Read],
            namespaces: Vec::new(),
            default_namespace: None,
            expires_at,
        };
        self.repository.create_key(new).await.unwrap().1
    }

    /// The status of a call from the host with this number.
    async fn call(&self, host: u8, authorization: Option<&str>) -> Status {
        let inside = self.inside.clone();
        let service = service_fn(move |_: Request<Body>| {
            let inside = inside.clone();
            async move {
                let _place = inside.acquire().await.unwrap();
                Ok(Status::ok("inside").into_http())
            }
        });
        let mut request = Request::post("/").body(Body::empty()).unwrap();
        request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        if let Some(authorization) = authorization {
            request.headers_mut().insert("authorization", authorization.parse().unwrap());
        }
        let address = SocketAddr::from((Ipv4Addr::new(192, 0, 2, host), 1));
        let connection = TcpConnectInfo { local_addr: None, remote_addr: Some(address) };
        request.extensions_mut().insert(connection);
        let response = self.admission.layer(service).call(request).await.unwrap();
        Status::from_header_map(response.headers()).unwrap()
    }

    async fn call_with(&self, host: u8, key: &KeySecret) -> Status {
        self.call(host, Some(&format!("Bearer {}", key.expose()))).await
    }
}

/// A key that nobody made.
fn unknown(number: u16) -> KeySecret {
    let mut entropy = [7; KEY_ENTROPY_BYTES];
    entropy[..2].copy_from_slice(&number.to_be_bytes());
    KeySecret::from_entropy(&entropy)
}

fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_error_details().retry_info().and_then(|info| info.retry_delay)
}

#[tokio::test]
async fn all_refusals_are_the_same_and_the_database_is_asked_once() {
    let door = Door::new(CallLimits::default()).await;
    let good = door.key(None).await;
    let (expired, revoked) = (door.key(Some(time::now())).await, door.key(None).await);
    door.repository.revoke_key(DEFAULT_ORGANISATION, revoked.key_id()).await.unwrap();
    let unknown = unknown(0);
    assert_eq!(door.call_with(1, &good).await.code(), Code::Ok);
    let first = door.call(1, None).await;
    assert_eq!(first.code(), Code::Unauthenticated);
    for closed in [false, true] {
        for key in [&unknown, &expired, &revoked] {
            assert_eq!(format!("{:?}", door.call_with(1, key).await), format!("{first:?}"));
        }
        let mistyped = good.expose().replace("sk_live_", "sk_live_0");
        for authorization in ["", "Bearer", "Basic abc", &format!("Bearer {mistyped}")] {
            let status = door.call(1, Some(authorization)).await;
            assert_eq!(format!("{status:?}"), format!("{first:?}"), "{authorization}");
        }
        assert_eq!(door.call_with(1, &good).await.code(), Code::Ok);
        if !closed {
            // The second time no answer comes from there.
            door.repository.close().await;
        }
    }
    assert_eq!(door.call_with(1, &self::unknown(1)).await.code(), Code::Unavailable);
}

#[tokio::test]
async fn who_guesses_keys_is_slowed_down_alone() {
    let door = Door::new(CallLimits::default()).await;
    let neighbour = door.key(None).await;
    assert_eq!(door.call_with(1, &neighbour).await.code(), Code::Ok);
    let mut codes = Vec::new();
    for number in 0..200 {
        let status = door.call_with(1, &unknown(number)).await;
        if status.code() == Code::ResourceExhausted {
            let delay = retry_delay(&status).unwrap();
            assert!(delay <= Duration::from_millis(100), "{delay:?}");
        }
        codes.push(status.code());
    }
    assert!(codes[..50].iter().all(|code| *code == Code::Unauthenticated), "{codes:?}");
    assert!(codes.contains(&Code::ResourceExhausted), "{codes:?}");
    // Behind the same address, a key that was good lately; and behind another one, any.
    assert_eq!(door.call_with(1, &neighbour).await.code(), Code::Ok);
    assert_eq!(door.call_with(2, &unknown(0)).await.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn calls_beyond_the_limit_are_told_to_come_back() {
    let door = Door::new(CallLimits { calls: 4, ..CallLimits::default() }).await;
    let key = door.key(None).await;
    let other = door.key(None).await;
    assert_eq!(door.call_with(1, &other).await.code(), Code::Ok);
    door.inside.forget_permits(PLACES);
    let (first, second) = (door.call_with(1, &key), door.call_with(1, &key));
    tokio::pin!(first, second);
    let shed = tokio::select! {
        biased;
        _ = &mut first => panic!("it waits inside"),
        _ = &mut second => panic!("it waits inside"),
        status = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            door.call_with(1, &key).await
        } => status,
    };
    assert_eq!(shed.code(), Code::ResourceExhausted);
    assert!(retry_delay(&shed).is_some());
    door.inside.add_permits(1);
    assert_eq!((first.await.code(), second.await.code()), (Code::Ok, Code::Ok));
    assert_eq!(door.call_with(1, &key).await.code(), Code::Ok);
}

#[tokio::test]
async fn each_key_has_its_own_rate() {
    let calls_per_second = NonZeroU32::new(5).unwrap();
    let door = Door::new(CallLimits { calls_per_second, ..CallLimits::default() }).await;
    let [busy, quiet] = [door.key(None).await, door.key(None).await];
    let mut codes = Vec::new();
    for _ in 0..30 {
        codes.push(door.call_with(1, &busy).await.code());
    }
    assert!(codes[..10].iter().all(|code| *code == Code::Ok), "{codes:?}");
    assert!(codes.contains(&Code::ResourceExhausted), "{codes:?}");
    assert_eq!(door.call_with(1, &quiet).await.code(), Code::Ok);
}
