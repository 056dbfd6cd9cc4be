// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"strings"

	"github.com/moby/moby/api/types/network"

	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/docker"
	"coracle/pkg/host"
	nets "coracle/pkg/network"
)

func networkEndpoints() []endpoint {
	return []endpoint{
		{"GET", "/networks", listNetworks, "1.21"},
		{"GET", "/networks/", listNetworks, "1.21"},
		{"POST", "/networks/create", createNetwork, "1.21"},
		{"POST", "/networks/prune", pruneNetworks, "1.25"},
		{"POST", "/networks/{name}/connect", connectNetwork, "1.21"},
		{"POST", "/networks/{name}/disconnect", disconnectNetwork, "1.21"},
		{"GET", "/networks/{name}", inspectNetwork, "1.21"},
		{"DELETE", "/networks/{name}", removeNetwork, "1.21"},
	}
}

// networks is the set of networks.
func (e *Engine) networks() nets.Store { return nets.NewStore(e.Dirs) }

func listNetworks(c *call) error {
	f, err := c.filters(docker.NetworkFilters)
	if err != nil {
		return err
	}
	list, bad, err := host.Networks(c.e.Dirs, f)
	if err != nil {
		return err
	}
	for _, b := range bad {
		c.e.logf("%v", b)
	}
	if list == nil {
		list = []*docker.Network{}
	}
	return c.answer(http.StatusOK, list)
}

func inspectNetwork(c *call) error {
	if s := c.text("scope"); s != "" && s != "local" {
		return &nets.NotFoundError{Name: c.name}
	}
	n, err := host.Network(c.ctx(), c.e.Dirs, c.name)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, n)
}

func createNetwork(c *call) error {
	var q docker.NetworkRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	o, warnings, err := docker.NewNetwork(q)
	if err != nil {
		return err
	}
	w, err := c.e.networks().Create(c.ctx(), o)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, network.CreateResponse{ID: w.ID, Warning: strings.Join(warningTexts(warnings), "\n")})
}

// warningTexts are what a request does not get as it may have been meant.
func warningTexts(list []docker.Warning) (texts []string) {
	for _, w := range list {
		texts = append(texts, w.Text)
	}
	return texts
}

func removeNetwork(c *call) error {
	if err := c.e.networks().Delete(c.ctx(), c.name); err != nil {
		return err
	}
	return c.done(http.StatusNoContent)
}

// ends are the network that is asked for, by its name, and a container.
func (c *call) ends(ref string) (name string, cs *container.Store, ctr *container.Container, err error) {
	cs = c.e.containers()
	if name, err = c.e.networks().Connectable(c.name); err == nil {
		ctr, err = cs.Lookup(ref)
	}
	return name, cs, ctr, err
}

func connectNetwork(c *call) error {
	var q docker.ConnectRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	name, cs, ctr, err := c.ends(q.Container)
	if err != nil {
		return err
	}
	end, _, err := docker.ConnectedEndpoint(name, q)
	if err == nil {
		err = client.Connect(c.ctx(), cs, ctr, end)
	}
	if err != nil {
		return err
	}
	return c.done(http.StatusOK)
}

func disconnectNetwork(c *call) error {
	var q docker.DisconnectRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	name, cs, ctr, err := c.ends(q.Container)
	if err == nil {
		err = client.Disconnect(c.ctx(), cs, ctr, name)
	}
	if err != nil {
		return err
	}
	return c.done(http.StatusOK)
}

func pruneNetworks(c *call) error {
	f, err := c.filters(func(list []string) (docker.Filters, error) { return docker.PruneFilters(list) })
	if err != nil {
		return err
	}
	names, err := c.e.containers().PruneNetworks(c.ctx(), func(w nets.Network) bool { return f.MatchPrune(w.Labels, w.Created) })
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, network.PruneReport{NetworksDeleted: names})
}
