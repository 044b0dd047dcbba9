// The server and the client of gRPC's own interoperability tests, without TLS.
// https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md
//
//	grpc serve           serves them at :8080, and gRPC's health service, which the kubelet probes
//	grpc call ADDRESS    runs the cases, and prints the name of each that passes; the first that fails ends it
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop"
	"google.golang.org/grpc/interop/grpc_testing"
)

func main() {
	if os.Args[1] == "serve" {
		serve()
	} else {
		call(os.Args[2])
	}
}

func serve() {
	listener, err := net.Listen("tcp", ":8080")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	grpc_testing.RegisterTestServiceServer(server, interop.NewTestServer())
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	log.Fatal(server.Serve(listener))
}

func call(address string) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := grpc_testing.NewTestServiceClient(connection)
	// The Service may not lead to the pod yet; the cases do not wait.
	if _, err := client.EmptyCall(ctx, &grpc_testing.Empty{}, grpc.WaitForReady(true)); err != nil {
		log.Fatal(err)
	}
	cases := []struct {
		name string
		run  func(context.Context, grpc_testing.TestServiceClient, ...grpc.CallOption)
	}{
		{"empty_unary", interop.DoEmptyUnaryCall},
		{"large_unary", interop.DoLargeUnaryCall},
		{"client_streaming", interop.DoClientStreaming},
		{"server_streaming", interop.DoServerStreaming},
		{"ping_pong", interop.DoPingPong},
		{"empty_stream", interop.DoEmptyStream},
		{"timeout_on_sleeping_server", interop.DoTimeoutOnSleepingServer},
		{"cancel_after_begin", interop.DoCancelAfterBegin},
		{"cancel_after_first_response", interop.DoCancelAfterFirstResponse},
		{"custom_metadata", interop.DoCustomMetadata},
		{"status_code_and_message", interop.DoStatusCodeAndMessage},
		{"special_status_message", interop.DoSpecialStatusMessage},
	}
	for _, each := range cases {
		each.run(ctx, client)
		fmt.Println(each.name)
	}
	interop.DoUnimplementedMethod(ctx, connection)
	fmt.Println("unimplemented_method")
	interop.DoUnimplementedService(ctx, grpc_testing.NewUnimplementedServiceClient(connection))
	fmt.Println("unimplemented_service")
}
