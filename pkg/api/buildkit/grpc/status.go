// SPDX-License-Identifier: Apache-2.0

package grpc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"coracle/pkg/api/buildkit/pb"
)

// Code says how a call ended, google.rpc.Code.
type Code int

// Codes that are sent or told apart.
const (
	OK                Code = 0
	Canceled          Code = 1
	Unknown           Code = 2
	InvalidArgument   Code = 3
	NotFound          Code = 5
	ResourceExhausted Code = 8
	Unimplemented     Code = 12
	Internal          Code = 13
	Unavailable       Code = 14
)

// Status is a call that failed, google.rpc.Status.
type Status struct {
	Code    Code
	Message string
	Details []Detail
	// Raw is a status as it came, which is sent on as it is.
	Raw []byte
}

// Detail is a google.protobuf.Any.
type Detail struct {
	Type  string
	Value []byte
}

func (s *Status) Error() string { return s.Message }

// Errorf is a status with a code.
func Errorf(code Code, format string, args ...any) *Status {
	return &Status{Code: code, Message: fmt.Sprintf(format, args...)}
}

// StatusOf is an error as a status.
func StatusOf(err error) *Status {
	var s *Status
	switch {
	case err == nil:
		return &Status{}
	case errors.As(err, &s):
		return s
	case errors.Is(err, context.Canceled):
		return &Status{Code: Canceled, Message: context.Canceled.Error()}
	}
	return &Status{Code: Unknown, Message: err.Error()}
}

// proto is the status as a message.
func (s *Status) proto() []byte {
	if s.Raw != nil {
		return s.Raw
	}
	return pb.Encode(func(m *pb.Message) {
		m.Number(1, int64(s.Code))
		m.Text(2, s.Message)
		for _, d := range s.Details {
			m.Message(3, func(m *pb.Message) {
				m.Text(1, d.Type)
				m.Data(2, d.Value)
			})
		}
	})
}

// ReadStatus reads a google.rpc.Status.
func ReadStatus(b []byte) (*Status, error) {
	s := &Status{Raw: b}
	err := pb.Read(b, func(f pb.Field) error {
		switch f.Number {
		case 1:
			s.Code = Code(f.Int())
		case 2:
			s.Message = f.Text()
		}
		return nil
	})
	return s, err
}

// Names of headers and trailers.
const (
	statusKey  = "Grpc-Status"
	messageKey = "Grpc-Message"
	detailsKey = "Grpc-Status-Details-Bin"
)

// maxDetails bounds the details that are sent along with a failure: clients take
// trailers of 16 KiB and more, and what does not fit is left out.
const maxDetails = 12 << 10

// trailer writes a status.
func (s *Status) trailer(set func(key, value string)) {
	set(statusKey, strconv.Itoa(int(s.Code)))
	if s.Code == OK {
		return
	}
	set(messageKey, escape(s.Message))
	if len(s.Details) == 0 && s.Raw == nil {
		return
	}
	if b := s.proto(); len(b) <= maxDetails {
		set(detailsKey, base64.RawStdEncoding.EncodeToString(b))
	}
}

// readTrailer is how a call ended, nil for well. present is false where there is
// nothing about it.
func readTrailer(h http.Header) (err error, present bool) {
	v := h.Get(statusKey)
	if v == "" {
		return nil, false
	}
	code, err := strconv.Atoi(v)
	if err != nil {
		return Errorf(Internal, "malformed %s: %q", statusKey, v), true
	}
	if Code(code) == OK {
		return nil, true
	}
	return &Status{Code: Code(code), Message: unescape(h.Get(messageKey))}, true
}

// escape is a text as grpc-message has it: all but printable ASCII, and the percent
// sign, as %XX.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unescape is the text again; what is no escape stays.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
