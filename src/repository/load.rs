//! How busy the database is, as far as this process sees.

use sea_orm::DatabaseConnection;

use super::{Dialect, Repository};

/// What is in use at a moment.
#[derive(Debug, Clone)]
pub struct Load {
    /// Of each pool of connections.
    pub pools: Vec<PoolLoad>,
    /// Turns to read.
    pub reading: TurnsLoad,
    /// Turns to write.
    pub writing: TurnsLoad,
}

/// A pool of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLoad {
    /// What it is for.
    pub name: &'static str,
    /// Connections that are open.
    pub open: usize,
    /// How many of them nobody uses.
    pub idle: usize,
    /// How many there may be.
    pub most: usize,
}

/// Turns to use the database, for which whoever wants it stands in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnsLoad {
    /// Who has one.
    pub using: usize,
    /// Who waits for one.
    pub waiting: usize,
    /// How many there may be.
    pub most: usize,
}

impl Repository {
    /// What is in use now.
    #[must_use]
    pub fn load(&self) -> Load {
        let readers = self.pool_load("read", self.readers.pools());
        let writer = self.pool_load("write", std::slice::from_ref(&self.writer));
        let aside = self.pool_load("aside", std::slice::from_ref(&self.aside));
        let pools = match self.dialect {
            Dialect::Sqlite => vec![readers, writer, aside],
            // Who reads and who writes have one pool.
            Dialect::Postgres => {
                let keeping = self.readers.keeping_plans().map(std::slice::from_ref);
                let keeping = self.pool_load("plans", keeping.unwrap_or_default());
                vec![PoolLoad { name: "main", ..writer }, keeping, aside]
            }
        };
        Load { pools, reading: self.readers.load(), writing: self.writes.load() }
    }

    fn pool_load(&self, name: &'static str, pools: &[DatabaseConnection]) -> PoolLoad {
        let number = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let each = pools.iter().map(|pool| match self.dialect {
            Dialect::Sqlite => {
                let pool = pool.get_sqlite_connection_pool();
                (number(pool.size()), pool.num_idle(), number(pool.options().get_max_connections()))
            }
            Dialect::Postgres => {
                let pool = pool.get_postgres_connection_pool();
                (number(pool.size()), pool.num_idle(), number(pool.options().get_max_connections()))
            }
        });
        let none = PoolLoad { name, open: 0, idle: 0, most: 0 };
        each.fold(none, |sum, (open, idle, most)| PoolLoad {
            name,
            open: sum.open + open,
            idle: sum.idle + idle,
            most: sum.most + most,
        })
    }
}
