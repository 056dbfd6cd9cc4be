// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"

	"coracle/pkg/docker"
)

// absentEndpoints are of what no host with this engine has: clusters, plugins,
// checkpoints. Clients that look whether there is any get what an engine says that has
// none.
func absentEndpoints() []endpoint {
	all := []endpoint{
		{"POST", "/swarm/init", noCluster, "1.24"},
		{"POST", "/swarm/join", noCluster, "1.24"},
		{"POST", "/swarm/leave", notInCluster, "1.24"},
		{"POST", "/swarm/unlock", noManager, "1.24"},
		{"GET", "/plugins", listPlugins, "1.25"},
		{"GET", "/plugins/{name}/json", noSuchPlugin, "1.25"},
		{"GET", "/plugins/privileges", noPlugins, "1.25"},
		{"POST", "/plugins/pull", noPlugins, "1.25"},
		{"POST", "/plugins/create", noPlugins, "1.25"},
		{"DELETE", "/plugins/{name}", noSuchPlugin, "1.25"},
		{"GET", "/containers/{name}/checkpoints", noCheckpoints, "1.25"},
		{"POST", "/containers/{name}/checkpoints", noCheckpoints, "1.25"},
	}
	for _, verb := range []string{"enable", "disable", "push", "upgrade", "set"} {
		all = append(all, endpoint{"POST", "/plugins/{name}/" + verb, noSuchPlugin, "1.25"})
	}
	for _, path := range []string{"/swarm", "/swarm/unlockkey", "/nodes", "/services", "/tasks", "/secrets", "/configs"} {
		all = append(all, endpoint{"GET", path, noManager, "1.24"})
	}
	all = append(all, endpoint{"POST", "/swarm/update", noManager, "1.24"})
	for _, kind := range []string{"/nodes", "/services", "/tasks", "/secrets", "/configs"} {
		all = append(all, endpoint{"GET", kind + "/{name}", noManager, "1.24"})
		if kind == "/tasks" {
			continue
		}
		all = append(all, endpoint{"DELETE", kind + "/{name}", noManager, "1.24"}, endpoint{"POST", kind + "/{name}/update", noManager, "1.24"})
		if kind != "/nodes" {
			all = append(all, endpoint{"POST", kind + "/create", noManager, "1.24"})
		}
	}
	return all
}

// noManager is Docker's answer on a host that is in no cluster.
func noManager(*call) error {
	return docker.Refuse(docker.Unavailable, `This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`)
}

func notInCluster(*call) error {
	return docker.Refuse(docker.Unavailable, "This node is not part of a swarm")
}

func noCluster(*call) error {
	return docker.Refuse(docker.NotSupported, "swarm is not supported: an engine without a daemon is no node of a cluster")
}

func listPlugins(c *call) error { return c.answer(http.StatusOK, []struct{}{}) }

func noSuchPlugin(c *call) error {
	return docker.Refuse(docker.NotFound, "plugin %q not found", c.name)
}

func noPlugins(*call) error {
	return docker.Refuse(docker.NotSupported, "plugins are not supported: there is no daemon to extend")
}

func noCheckpoints(c *call) error {
	if _, _, err := c.container(); err != nil {
		return err
	}
	return docker.Unsupported("checkpoint", "restoring a process needs root", "")
}
