// A tour of the service in Go: record, list with a filter, resume, read an error, retry.
//
//	go install google.golang.org/protobuf/cmd/protoc-gen-go@latest
//	go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@latest
//	mkdir gen && protoc -I ../../proto --go_out=gen --go-grpc_out=gen ../../proto/interactions/v1/*.proto
//	go mod init interactions-tour && go mod tidy
//	INTERACTIONS_API_KEY=sk_… INTERACTIONS_NAMESPACE=demo go run .
//
// The key needs the scopes `read` and `write`. Every run records 320 interactions in a session of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"reflect"
	"sort"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	pb "interactions-tour/gen/interactions/v1"
)

// The library makes a call again that fails so before its first answer. It is safe where a call may be
// repeated: reads, and writes whose interactions carry ids. docs/clients.md says why no other code.
const serviceConfig = `{
  "methodConfig": [{
    "name": [{"service": "interactions.v1.InteractionService"}],
    "retryPolicy": {
      "maxAttempts": 5,
      "initialBackoff": "0.2s",
      "maxBackoff": "10s",
      "backoffMultiplier": 3,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
}`

// How long a call may take, with all its attempts.
const timeout = 30 * time.Second

type tour struct {
	service pb.InteractionServiceClient
	session string
}

func main() {
	address := os.Getenv("INTERACTIONS_ADDR")
	if address == "" {
		address = "127.0.0.1:50051"
	}
	connection, err := connect(address)
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	// What goes with every call: the key, and the namespace unless the key has a default.
	ctx := metadata.AppendToOutgoingContext(context.Background(),
		"authorization", "Bearer "+os.Getenv("INTERACTIONS_API_KEY"))
	if namespace := os.Getenv("INTERACTIONS_NAMESPACE"); namespace != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "x-namespace", namespace)
	}
	t := tour{
		service: pb.NewInteractionServiceClient(connection),
		session: fmt.Sprintf("tour-%d", time.Now().UnixNano()),
	}
	for _, step := range []func(context.Context) error{t.record, t.listFiltered, t.resume, t.readError} {
		if err := step(ctx); err != nil {
			log.Fatal(err)
		}
	}
}

// sample makes the n-th interaction of the session, with an id, so that to record it again does no harm.
func (t tour) sample(n int) *pb.Interaction {
	position := int32(n % 10)
	return &pb.Interaction{
		InteractionId:   fmt.Sprintf("%s-%03d", t.session, n),
		FeatureId:       fmt.Sprintf("product-%d", n%7),
		InteractionType: []string{[]string{"impression", "click", "purchase"}[n%3]},
		Position:        &position,
		SessionId:       t.session,
		Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{
			"device": structpb.NewStringValue([]string{"mobile", "desktop"}[n%2]),
			"price":  structpb.NewNumberValue(float64(n) / 2),
		}},
	}
}

func (t tour) samples(from, to int) []*pb.Interaction {
	var samples []*pb.Interaction
	for n := from; n < to; n++ {
		samples = append(samples, t.sample(n))
	}
	return samples
}

func (t tour) createBatch(ctx context.Context, interactions []*pb.Interaction) (*pb.BatchCreateInteractionsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return t.service.BatchCreateInteractions(ctx, &pb.BatchCreateInteractionsRequest{Interactions: interactions})
}

// record records 20 interactions in one call and 300 on a stream, and the 20 again.
func (t tour) record(ctx context.Context) error {
	created, err := t.createBatch(ctx, t.samples(0, 20))
	if err != nil {
		return err
	}
	recorded, err := t.write(ctx)
	if err != nil {
		return err
	}
	again, err := t.createBatch(ctx, t.samples(0, 20))
	if err != nil {
		return err
	}
	deduplicated := 0
	for _, result := range again.Results {
		if result.Deduplicated {
			deduplicated++
		}
	}
	fmt.Printf("recorded %d in a batch and %d on a stream; of the batch again, %d were there\n",
		len(created.Results), recorded, deduplicated)
	return nil
}

// write records interactions on a stream, and returns how many are.
func (t tour) write(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stream, err := t.service.WriteInteractions(ctx)
	if err != nil {
		return 0, err
	}
	go func() {
		for first := 20; first < 320; first += 100 {
			batch := &pb.WriteInteractionsRequest{
				RequestId:    fmt.Sprint(first),
				Interactions: t.samples(first, first+100),
			}
			// Waits where the service is slower. Why it fails, the receiver learns.
			if stream.Send(batch) != nil {
				return
			}
		}
		_ = stream.CloseSend()
	}()
	recorded := 0
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return recorded, nil
		}
		if err != nil {
			return 0, err
		}
		// Each interaction has a status of its own: what is refused does not stop its neighbours.
		for _, result := range answer.Results {
			if codes.Code(result.Status.Code) == codes.OK {
				recorded++
			}
		}
	}
}

// pages hands out the pages from `request.PageToken` to the end, over streams that break, until
// `wanted` returns false.
func (t tour) pages(ctx context.Context, request *pb.ListInteractionsRequest, wanted func(*pb.ListInteractionsResponse) bool) error {
	for {
		cameFurther, done, err := t.pagesOfOneStream(ctx, request, wanted)
		if done {
			return nil
		}
		if err != nil && !(cameFurther && resumable(err)) {
			return err
		}
	}
}

// resumable says whether a list may go on after its stream ended so.
func resumable(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted:
		return true
	default:
		return false
	}
}

func (t tour) pagesOfOneStream(ctx context.Context, request *pb.ListInteractionsRequest, wanted func(*pb.ListInteractionsResponse) bool) (cameFurther, done bool, err error) {
	// Where the caller wants no more, the service stops too.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := t.service.ListInteractions(ctx, request)
	if err != nil {
		return false, false, err
	}
	for {
		page, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return cameFurther, false, nil
		}
		if err != nil {
			return cameFurther, false, err
		}
		// Only an empty token means the end: a stream that breaks has not come to it.
		if !wanted(page) || page.NextPageToken == "" {
			return cameFurther, true, nil
		}
		request.PageToken = page.NextPageToken
		cameFurther = true
	}
}

func (t tour) ids(ctx context.Context, request *pb.ListInteractionsRequest) ([]string, error) {
	var ids []string
	err := t.pages(ctx, request, func(page *pb.ListInteractionsResponse) bool {
		ids = append(ids, idsOf(page)...)
		return true
	})
	return ids, err
}

func idsOf(page *pb.ListInteractionsResponse) []string {
	var ids []string
	for _, interaction := range page.Interactions {
		ids = append(ids, interaction.InteractionId)
	}
	return ids
}

// listFiltered lists the clicks and purchases near the top, with the filter as a message and as JSON.
func (t tour) listFiltered(ctx context.Context) error {
	types := structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
		structpb.NewStringValue("click"), structpb.NewStringValue("purchase"),
	}})
	filter := &pb.Filter{Kind: &pb.Filter_Group{Group: &pb.Group{
		Operator: pb.Group_ALL_OF,
		Filters: []*pb.Filter{
			condition("position", pb.Condition_LTE, structpb.NewNumberValue(5)),
			condition("interaction_type", pb.Condition_IN, types),
		},
	}}}
	typed, err := t.ids(ctx, &pb.ListInteractionsRequest{SessionId: t.session, Filter: filter})
	if err != nil {
		return err
	}

	filters, err := structpb.NewStruct(map[string]interface{}{
		"position":         map[string]interface{}{"lte": 5},
		"interaction_type": []interface{}{"click", "purchase"},
	})
	if err != nil {
		return err
	}
	asJSON, err := t.ids(ctx, &pb.ListInteractionsRequest{SessionId: t.session, Filters: filters})
	if err != nil {
		return err
	}

	if !reflect.DeepEqual(typed, asJSON) {
		return errors.New("the two forms of the filter differ")
	}
	fmt.Printf("found %d clicks and purchases near the top, with either form of the filter\n", len(typed))
	return nil
}

func condition(field string, operator pb.Condition_Operator, value *structpb.Value) *pb.Filter {
	return &pb.Filter{Kind: &pb.Filter_Condition{
		Condition: &pb.Condition{Field: field, Operator: operator, Value: value},
	}}
}

// resume leaves a list after three pages, and goes on from there in another call.
func (t tour) resume(ctx context.Context) error {
	var seen []string
	token, read := "", 0
	request := &pb.ListInteractionsRequest{SessionId: t.session, PageSize: 25}
	err := t.pages(ctx, request, func(page *pb.ListInteractionsResponse) bool {
		seen = append(seen, idsOf(page)...)
		token = page.NextPageToken
		read++
		return read < 3
	})
	if err != nil {
		return err
	}
	before := len(seen)

	// The same request but for the token, which may be kept: it outlives restarts of the service.
	rest, err := t.ids(ctx, &pb.ListInteractionsRequest{SessionId: t.session, PageSize: 25, PageToken: token})
	if err != nil {
		return err
	}
	seen = append(seen, rest...)

	sort.Strings(seen)
	for n, sample := range t.samples(0, 320) {
		if len(seen) != 320 || seen[n] != sample.InteractionId {
			return errors.New("something is missing, or was seen twice")
		}
	}
	fmt.Printf("read %d, left, and read %d more: each of 320 once\n", before, len(rest))
	return nil
}

// readError sends what breaks two rules, and reads which and where from the details of the error.
func (t tour) readError(ctx context.Context) error {
	bad := t.samples(0, 2)
	*bad[0].Position = -1
	bad[1].InteractionType = nil
	_, err := t.createBatch(ctx, bad)
	var info *errdetails.ErrorInfo
	var request *errdetails.BadRequest
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			info = detail
		case *errdetails.BadRequest:
			request = detail
		}
	}
	fmt.Printf("refused: %s of %s\n", info.GetReason(), info.GetDomain())
	for _, violation := range request.GetFieldViolations() {
		fmt.Printf("  %s: %s\n", violation.Field, violation.Description)
	}
	return nil
}
