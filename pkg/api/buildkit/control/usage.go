// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"
	"strings"
	"time"

	"coracle/pkg/api/buildkit/grpc"
	"coracle/pkg/api/buildkit/pb"
	"coracle/pkg/docker"
	"coracle/pkg/dockerfile"
)

// writeUsage writes a record of the build cache as a UsageRecord.
func writeUsage(m *pb.Message, r dockerfile.CacheRecord) {
	m.Text(1, r.ID)
	m.Flag(2, r.Type == "exec.cachemount")
	m.Number(4, r.Size)
	m.Time(6, r.Created)
	m.Time(7, r.Used)
	m.Text(10, r.Type)
	m.Flag(11, r.Shared)
}

// pruneRequest is a PruneRequest. Filters are those of `docker builder prune`.
type pruneRequest struct {
	filters []string
	all     bool
	age     time.Duration // only what has not been used for so long
	keep    int64         // bytes
}

func readPrune(b []byte) (r pruneRequest, err error) {
	err = pb.Read(b, func(f pb.Field) error {
		switch f.Number {
		case 1:
			r.filters = append(r.filters, f.Text())
		case 2:
			r.all = f.Flag()
		case 3:
			r.age = time.Duration(f.Int())
		case 4:
			r.keep = f.Int()
		case 5, 6:
			if f.Int() != 0 {
				return grpc.Errorf(grpc.Unimplemented, "max-used-space and min-free-space are not supported: what was used last is kept, as much as reserved-space says")
			}
		}
		return nil
	})
	return r, err
}

// prune forgets records of the build cache, and tells of those.
func (c *calls) prune(ctx context.Context, s *grpc.Stream) error {
	msg, err := s.Receive()
	if err != nil {
		return err
	}
	r, err := readPrune(msg)
	if err != nil {
		return err
	}
	choose, err := docker.ChooseCache(r.list())
	if err != nil {
		return grpc.Errorf(grpc.InvalidArgument, "%v", err)
	}
	before, err := dockerfile.CacheUse(ctx, c.Dirs)
	if err != nil {
		return err
	}
	if _, err := dockerfile.PruneChosen(ctx, c.Dirs, choose, r.keep); err != nil {
		return err
	}
	after, err := dockerfile.CacheUse(ctx, c.Dirs)
	if err != nil {
		return err
	}
	for _, b := range before {
		if !slices.ContainsFunc(after, func(a dockerfile.CacheRecord) bool { return a.ID == b.ID }) {
			if err := s.Send(pb.Encode(func(m *pb.Message) { writeUsage(m, b) })); err != nil {
				return err
			}
		}
	}
	return nil
}

// list are the filters as the command line has them: clients join them by commas, and
// write == for what is the same and ~= for what begins so.
func (r pruneRequest) list() []string {
	var list []string
	for _, joined := range r.filters {
		for _, f := range strings.Split(joined, ",") {
			key, value, _ := strings.Cut(f, "=")
			if key = strings.TrimSuffix(key, "~"); key != "" {
				list = append(list, key+"="+strings.TrimPrefix(value, "="))
			}
		}
	}
	if r.age > 0 {
		list = append(list, "until="+r.age.String())
	}
	return list
}
