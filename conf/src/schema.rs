//! The JSON Schema of the file, for editors; `conf/rvs.schema.json` is a copy kept by a test.

use schemars::generate::SchemaSettings;

use crate::raw::RawConfig;

/// The JSON Schema (draft-07) of the configuration file.
#[must_use]
pub fn json_schema() -> String {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<RawConfig<'_>>();
    format!("{:#}\n", schema.as_value())
}
