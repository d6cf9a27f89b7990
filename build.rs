//! Generates the gRPC code from the proto files, without protoc.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use prost::Message as _;

const PROTO_ROOT: &str = "proto";
const FILES: [&str; 4] = [
    "interactions/v1/admin.proto",
    "interactions/v1/interaction.proto",
    "interactions/v1/query.proto",
    "interactions/v1/service.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Neither protox nor tonic-prost-build says so when given a descriptor set.
    println!("cargo:rerun-if-changed={PROTO_ROOT}");
    let descriptors = protox::compile(FILES, [PROTO_ROOT])?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    write_if_changed(&out.join("descriptors.bin"), &descriptors.encode_to_vec())?;
    let mut config = prost_build::Config::new();
    // The codec tells messages apart by their names.
    config.enable_type_names();
    tonic_prost_build::configure()
        .codec_path("crate::grpc::codec::Codec")
        // One encoding for one content: equal messages have equal bytes.
        .btree_map(".")
        // Pages are put together from stored bytes: see `grpc::page`.
        .extern_path(".interactions.v1.ListInteractionsResponse", "crate::grpc::page::Page")
        // The richer errors of tonic-types are made of this type.
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}

fn write_if_changed(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    fs::write(path, content)
}
