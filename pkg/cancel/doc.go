// SPDX-License-Identifier: Apache-2.0

// Package cancel ends long copies with a context: package io knows none.
package cancel
