//! The schema goes up, down and up again, one migration at a time, and works after it.

use interactions::grpc::proto;

use crate::support::database::databases;
use crate::support::service::TestService;

#[tokio::test(flavor = "multi_thread")]
async fn migrations_go_up_down_and_up_again() {
    for database in databases().await {
        let repository = &database.repository;
        let count = repository.migration_states().await.unwrap().len();
        for remaining in (0..count).rev() {
            repository.migrate_down(1).await.unwrap();
            let states = repository.migration_states().await.unwrap();
            let applied: Vec<_> = states.iter().map(|state| state.applied).collect();
            let expected: Vec<_> = (0..count).map(|place| place < remaining).collect();
            assert_eq!(applied, expected, "{}", database.name);
        }
        repository.migrate_up().await.unwrap();
        // Again changes nothing.
        repository.migrate_up().await.unwrap();
        let service = TestService::new(repository, "again").await;
        let interaction =
            proto::Interaction { interaction_type: vec!["click".to_owned()], ..Default::default() };
        service.record(vec![interaction]).await;
        assert_eq!(service.count(proto::CountInteractionsRequest::default()).await, 1);
        database.remove().await;
    }
}
