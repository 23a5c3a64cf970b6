//! The settings that drivers have in common.

use crate::naming::Naming;
use persistence_core::Result;
use persistence_core::connect::UrlOptions;

pub use persistence_core::schema::Migrate;

/// Tables of the user's choice, and who sets them up.
#[derive(Clone, Debug, Default)]
pub struct SchemaSettings {
    /// What the tables are called.
    pub naming: Naming,
    /// What opening does about them.
    pub migrate: Migrate,
}

impl SchemaSettings {
    /// Tables of these names, which opening sets up.
    #[must_use]
    pub fn named(naming: Naming) -> Self {
        SchemaSettings { naming, migrate: Migrate::Auto }
    }

    /// From the options `table_prefix`, `migrate`, and `schema` where the database has schemas.
    pub fn take(options: &mut UrlOptions, schemas: bool) -> Result<Self> {
        let schema = if schemas { options.text("schema") } else { None };
        let prefix = options.text("table_prefix").unwrap_or_default();
        let migrate = Migrate::take(options)?;
        let naming = Naming::default().with_schema(schema.as_deref())?.with_prefix(&prefix)?;
        Ok(SchemaSettings { naming, migrate })
    }
}
