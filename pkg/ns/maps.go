// SPDX-License-Identifier: Apache-2.0

package ns

import "coracle/pkg/ids"

// IDMap, HostMaps and CurrentMaps have moved to package ids.
type IDMap = ids.Map

// HostMaps: see package ids.
func HostMaps() (ids.Maps, error) { return ids.HostMaps() }

// CurrentMaps: see package ids.
func CurrentMaps() (ids.Maps, error) { return ids.Current() }
