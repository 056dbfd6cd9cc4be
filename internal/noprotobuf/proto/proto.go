// SPDX-License-Identifier: Apache-2.0

package proto

import (
	"errors"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Message is a message.
type Message = protoreflect.ProtoMessage

// Marshal fails with errors.ErrUnsupported.
func Marshal(Message) ([]byte, error) { return nil, errors.ErrUnsupported }

// Unmarshal fails with errors.ErrUnsupported.
func Unmarshal([]byte, Message) error { return errors.ErrUnsupported }
