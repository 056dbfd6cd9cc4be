// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"io"
	"net/url"

	"coracle/pkg/api/buildkit/grpc"
	"coracle/pkg/api/buildkit/pb"
)

// Methods of the client's.
const (
	methodSecret      = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
	methodCredentials = "/moby.filesync.v1.Auth/Credentials"
	methodUpload      = "/moby.upload.v1.Upload/Pull"
)

// ErrNotFound is that the client has no secret of a name.
var ErrNotFound = errors.New("not found")

// Secret is a secret of the client's.
func (s *Session) Secret(ctx context.Context, id string) ([]byte, error) {
	if !s.has(methodSecret) {
		return nil, ErrNotFound
	}
	ctx, cancel := s.Within(ctx)
	defer cancel()
	res, err := s.conn.Call(ctx, methodSecret, nil, pb.Encode(func(m *pb.Message) { m.Text(1, id) }))
	if err != nil {
		if grpc.StatusOf(err).Code == grpc.NotFound {
			err = ErrNotFound
		}
		return nil, err
	}
	var value []byte
	return value, pb.Read(res, func(f pb.Field) error {
		if f.Number == 1 {
			value = f.Data()
		}
		return nil
	})
}

// Credentials are a user's for a registry. Without a user the secret is a token to get
// others by; both are empty where the client has none.
func (s *Session) Credentials(ctx context.Context, host string) (user, secret string, err error) {
	if !s.has(methodCredentials) {
		return "", "", nil
	}
	ctx, cancel := s.Within(ctx)
	defer cancel()
	res, err := s.conn.Call(ctx, methodCredentials, nil, pb.Encode(func(m *pb.Message) { m.Text(1, host) }))
	if err != nil {
		return "", "", err
	}
	return user, secret, pb.Read(res, func(f pb.Field) error {
		switch f.Number {
		case 1:
			user = f.Text()
		case 2:
			secret = f.Text()
		}
		return nil
	})
}

// Upload writes what the client has at an address, http://buildkit-session/NAME: its
// standard input.
func (s *Session) Upload(ctx context.Context, address *url.URL, w io.Writer) error {
	if !s.has(methodUpload) {
		return grpc.Errorf(grpc.NotFound, "method %s not supported by the client", methodUpload)
	}
	ctx, cancel := s.Within(ctx)
	defer cancel()
	h := metadata{}
	h.set("urlpath", address.Path)
	h.set("urlhost", address.Host)
	call := s.conn.Open(ctx, methodUpload, h.header())
	if err := call.CopyBytes(w); !errors.Is(err, io.EOF) {
		return err
	}
	return call.CloseSend()
}
