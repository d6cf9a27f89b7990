# shellcheck shell=bash
# Builds the programs of examples/ as their readers do, and runs them. To be sourced, with the workspace
# as the working directory, the directory of builds in `target`, and its own packages of Python there.
#
#     examples_prepare    installs the tools of Go, Java and Node, and builds all programs
#     examples_namespaces the namespaces that they work in, which the caller creates
#     examples_run        runs all against the server that INTERACTIONS_ADDR and INTERACTIONS_API_KEY name

# shellcheck source=scripts/lib/machine.sh
source "$(dirname "${BASH_SOURCE[0]}")/machine.sh"

# What shows that a package of Debian is there, and its name.
declare -A EXAMPLES_NEED=(
    [/usr/bin/protoc]=protobuf-compiler
    # Go.
    [/usr/bin/go]=golang-go
    [/usr/bin/protoc-gen-go]=protoc-gen-go-1-5
    [/usr/bin/protoc-gen-go-grpc]=protoc-gen-go-grpc
    [/usr/share/gocode/src/google.golang.org/genproto]=golang-google-genproto-dev
    [/usr/share/gocode/src/google.golang.org/grpc]=golang-google-grpc-dev
    [/usr/share/gocode/src/google.golang.org/protobuf]=golang-github-golang-protobuf-1-5-dev
    # Java.
    [/usr/bin/javac]=default-jdk-headless
    [/usr/bin/grpc_java_plugin]=protobuf-compiler-grpc-java-plugin
    [/usr/share/java/geronimo-annotation-1.3-spec.jar]=libgeronimo-annotation-1.3-spec-java
    [/usr/share/java/grpc-netty.jar]=libgrpc-java
    [/usr/share/java/gson.jar]=libgoogle-gson-java
    [/usr/share/java/guava.jar]=libguava-java
    [/usr/share/java/jsr305.jar]=libjsr305-java
    [/usr/share/java/netty-codec-http2.jar]=libnetty-java
    [/usr/share/java/perfmark-api.jar]=libperfmark-java
    [/usr/share/java/proto-google-common-protos.jar]=libgoogle-common-protos-java
    [/usr/share/java/protobuf-util.jar]=libprotobuf-java
)
EXAMPLES_JARS=(protobuf protobuf-util proto-google-common-protos gson guava perfmark-api jsr305
    geronimo-annotation-1.3-spec grpc-{api,context,core,netty,protobuf,protobuf-lite,stub}
    netty-{buffer,codec,codec-http,codec-http2,common,handler,handler-proxy,resolver,transport}
    netty-transport-native-unix-common)

examples_namespaces() {
    echo python typescript go java rust
}

examples_prepare() {
    need npm nodejs npm
    local file missing=()
    for file in "${!EXAMPLES_NEED[@]}"; do
        [[ -e $file ]] || missing+=("${EXAMPLES_NEED[$file]}")
    done
    ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
    examples=$target/examples
    mkdir -p "$examples"
    # They use a core each, and the languages do not know of each other.
    local language builds=() failed=0
    for language in python typescript web go java; do
        "examples_build_$language" &>"$examples/$language.log" &
        builds+=("$language:$!")
    done
    for language in "${builds[@]}"; do
        wait "${language#*:}" || {
            cat "$examples/${language%:*}.log"
            failed=1
        }
    done
    return "$failed"
}

examples_build_python() {
    set -e
    rm -rf "$examples/python"
    mkdir "$examples/python"
    "$target/python/bin/python" -m grpc_tools.protoc -I proto --python_out="$examples/python" \
        --grpc_python_out="$examples/python" proto/interactions/v1/*.proto
}

examples_build_typescript() {
    examples_build_node examples/typescript
}

examples_build_web() {
    examples_build_node examples/web
}

examples_build_node() {
    set -e
    local directory=$1
    if [[ ! $directory/node_modules/.package-lock.json -nt $directory/package-lock.json ]]; then
        npm --prefix "$directory" ci --loglevel=error
    fi
    rm -rf "$directory/gen" "$directory/build"
    npm --prefix "$directory" --loglevel=error run build
}

# Debian's packages lie in a GOPATH. Its grpc-go is of 2020, and needs other words to connect.
examples_build_go() {
    set -e
    local package=$examples/go/src/interactions-tour
    rm -rf "$examples/go"
    mkdir -p "$package/gen"
    protoc -I proto --go_out="$package/gen" --go-grpc_out="$package/gen" proto/interactions/v1/*.proto
    cp examples/go/tour.go tests/examples/connect_debian.go "$package/"
    cd "$package"
    GO111MODULE=off GOPATH=$examples/go:/usr/share/gocode GOCACHE=$target/examples-go-cache \
        go build -o "$examples/go/tour" .
}

# Debian's google.rpc is too old for ErrorInfo, which our own copy has.
examples_build_java() {
    set -e
    rm -rf "$examples/java"
    mkdir -p "$examples/java/gen" "$examples/java/build"
    protoc -I proto --java_out="$examples/java/gen" --grpc-java_out="$examples/java/gen" \
        --plugin="protoc-gen-grpc-java=$(command -v grpc_java_plugin)" \
        proto/interactions/v1/*.proto proto/google/rpc/error_details.proto
    # It runs for a moment: to optimise it takes longer.
    javac -J-XX:TieredStopAtLevel=1 -proc:none -d "$examples/java/build" -cp "$(examples_classpath)" \
        --source-path "$examples/java/gen" examples/java/Tour.java
}

examples_classpath() {
    local jars
    printf -v jars ':/usr/share/java/%s.jar' "${EXAMPLES_JARS[@]}"
    echo "$examples/java/build$jars"
}

examples_run() {
    local python=$target/python/bin/python
    PYTHONPATH=$examples/python "$python" -B tests/examples/run.py \
        python="$python -B examples/python/tour.py" \
        typescript='node examples/typescript/build/tour.js' \
        go="env GRPC_GO_RETRY=on $examples/go/tour" \
        java="java -XX:TieredStopAtLevel=1 -cp $(examples_classpath) Tour" \
        rust="$target/debug/interactions-tour"
}
