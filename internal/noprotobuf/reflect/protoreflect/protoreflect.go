// SPDX-License-Identifier: Apache-2.0

// Package protoreflect describes messages; see package proto.
package protoreflect

// ProtoMessage is a message.
type ProtoMessage interface{ ProtoReflect() Message }

// Message is a message that can be described.
type Message interface {
	Descriptor() MessageDescriptor
	Interface() ProtoMessage
}

// MessageType makes messages of one type.
type MessageType interface{ New() Message }

// MessageDescriptor describes a type of messages.
type MessageDescriptor interface{ FullName() FullName }

// FullName is the name of a type.
type FullName string

// FileDescriptor describes a file of types.
type FileDescriptor any
