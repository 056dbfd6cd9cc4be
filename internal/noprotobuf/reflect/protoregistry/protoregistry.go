// SPDX-License-Identifier: Apache-2.0

// Package protoregistry knows types of messages; see package proto.
package protoregistry

import (
	"errors"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// GlobalTypes are no types.
var GlobalTypes Types

// Types are types of messages.
type Types struct{}

// FindMessageByURL fails with errors.ErrUnsupported.
func (Types) FindMessageByURL(string) (protoreflect.MessageType, error) {
	return nil, errors.ErrUnsupported
}
