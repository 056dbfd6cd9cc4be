// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"encoding/json"
	"fmt"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/opencontainers/go-digest"
)

// Hash is docker compose's of a service (pkg/compose/hash.go of its source): of all
// that makes a container, not of how many there are, when they start and how their
// image comes to be.
func Hash(s types.ServiceConfig) (string, error) {
	s.Build, s.PullPolicy, s.Scale, s.DependsOn, s.Profiles = nil, "", nil, nil, nil
	if s.Deploy != nil {
		d := *s.Deploy
		d.Replicas = nil
		s.Deploy = &d
	}
	return hashOf(s)
}

// NetworkHash is docker compose's of a network.
func NetworkHash(n types.NetworkConfig) (string, error) { return hashOf(&n) }

// VolumeHash is docker compose's of a volume.
func VolumeHash(v types.VolumeConfig) (string, error) {
	if v.Driver == "" {
		v.Driver = "local"
	}
	return hashOf(v)
}

func hashOf(v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("hash configuration: %w", err)
	}
	return digest.SHA256.FromBytes(data).Encoded(), nil
}
