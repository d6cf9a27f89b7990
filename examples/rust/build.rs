//! Generates the client from the proto files, without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto = "../../proto";
    println!("cargo:rerun-if-changed={proto}");
    let descriptors = protox::compile(["interactions/v1/service.proto"], [proto])?;
    tonic_prost_build::configure()
        .build_server(false)
        // The details of errors are read with tonic-types, which is made for this type.
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .compile_fds(descriptors)?;
    Ok(())
}
