// SPDX-License-Identifier: Apache-2.0

// Package oci is images as things with names that travel: references, pull,
// push, import, save and load. How a registry is spoken to is package
// registry's, where layers are kept is package overlay's.
package oci
