package main

import "google.golang.org/grpc"

// connect does what examples/go/connect.go does, in words that Debian's grpc-go of 2020 knows.
func connect(address string) (*grpc.ClientConn, error) {
	return grpc.Dial(address, grpc.WithInsecure(), grpc.WithDefaultServiceConfig(serviceConfig))
}
