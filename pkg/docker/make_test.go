// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/network"
)

// The documentation's request for a network, and what is refused.
func TestNetworkRequests(t *testing.T) {
	for request, want := range map[string]string{
		`{"Name":"my_network","Driver":"bridge","Scope":"local","EnableIPv6":true,"Internal":true,"Attachable":true,"Labels":{"a":"b"},"IPAM":{"Driver":"default","Config":[
			{"Subnet":"172.20.0.0/16","IPRange":"172.20.10.0/24","Gateway":"172.20.10.11","AuxiliaryAddresses":{"router":"172.20.10.12","b":"172.20.10.13"}},
			{"Subnet":"2001:db8::/64","Gateway":"2001:db8::11"}]}}`: "my_network 172.20.0.0/16 172.20.10.0/24 172.20.10.11 map[b:172.20.10.13 router:172.20.10.12] 2001:db8::/64 2001:db8::11 true true map[a:b]",
		`{"Name":"n"}`:                   "n",
		`{"Driver":"host"}`:              `only one instance of "host" network is allowed`,
		`{"Driver":"overlay"}`:           `could not find plugin overlay in v1 plugin registry: plugin "overlay" not found`,
		`{"IPAM":{"Driver":"x"}}`:        `could not find plugin x in v1 plugin registry`,
		`{"IPAM":{"Options":{"a":"b"}}}`: "--ipam-opt is not supported",
		`{"Options":{"com.docker.network.bridge.enable_icc":"maybe"}}`: `invalid value for option com.docker.network.bridge.enable_icc: "maybe"`,
		`{"Scope":"swarm"}`:                              "--scope swarm is not supported",
		`{"EnableIPv4":false}`:                           "--ipv4=false is not supported",
		`{"Ingress":true}`:                               "they are a cluster's",
		`{"ConfigOnly":true}`:                            "they are a cluster's",
		`{"ConfigFrom":{"Network":"x"}}`:                 "they are a cluster's",
		`{"IPAM":{"Config":[{"Gateway":"10.0.0.1"}]}}`:   "every ip-range or gateway must have a corresponding subnet",
		`{"IPAM":{"Config":[{"Subnet":"10.0.0.1/24"}]}}`: "invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24",
		`{"IPAM":{"Config":[{"Subnet":"10.0.0.0/24"},{"Subnet":"10.1.0.0/24"}]}}`:              "a network has one subnet of each family",
		`{"IPAM":{"Config":[{"Subnet":"10.0.0.0/24","Gateway":"10.1.0.1"}]}}`:                  "no matching subnet for gateway 10.1.0.1",
		`{"IPAM":{"Config":[{"Subnet":"10.0.0.0/24","IPRange":"10.1.0.0/28"}]}}`:               "no matching subnet for range 10.1.0.0/28",
		`{"IPAM":{"Config":[{"Subnet":"10.0.0.0/24","AuxiliaryAddresses":{"a":"10.1.0.1"}}]}}`: "no matching subnet for aux-address a=10.1.0.1",
	} {
		var q NetworkRequest
		if err := json.Unmarshal([]byte(request), &q); err != nil {
			t.Fatal(err)
		}
		n, warnings, err := NewNetwork(q)
		if err != nil {
			wants(t, request, err, want)
			continue
		}
		got := fmt.Sprint(n.Name, " ", n.Subnet, " ", n.Range, " ", n.Gateway, " ", n.Aux, " ", n.Subnet6, " ", n.Gateway6, " ", n.IPv6, " ", n.Internal, " ", n.Labels)
		if !strings.HasPrefix(got, want) || len(warnings) > 0 {
			t.Errorf("%s: %s, %q; want %s", request, got, warnings, want)
		}
	}
	if _, warnings, err := NewNetwork(NetworkRequest{Options: map[string]string{"a": "b", "com.docker.network.bridge.enable_icc": "0"}}); err != nil || len(warnings) != 1 {
		t.Error(warnings, err)
	}
}

func TestPools(t *testing.T) {
	four, six := netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/64")
	addr := netip.MustParseAddr
	pools, err := Pools([]netip.Prefix{four, six}, []netip.Addr{addr("fd00::1"), addr("10.0.0.1")}, []netip.Prefix{netip.MustParsePrefix("10.0.0.16/28")}, map[string]netip.Addr{"a": addr("10.0.0.9")})
	if err != nil || len(pools) != 2 || pools[0].Gateway != addr("10.0.0.1") || pools[1].Gateway != addr("fd00::1") || !pools[0].IPRange.IsValid() || pools[0].AuxAddress["a"] != addr("10.0.0.9") {
		t.Errorf("%+v, %v", pools, err)
	}
	far := addr("192.0.2.1")
	_, err = Pools(nil, []netip.Addr{far}, nil, nil)
	wants(t, "no subnet", err, "every ip-range or gateway must have a corresponding subnet")
	_, err = Pools([]netip.Prefix{four}, []netip.Addr{far}, nil, nil)
	wants(t, "gateway", err, "no matching subnet for gateway 192.0.2.1")
	_, err = Pools([]netip.Prefix{four}, nil, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, nil)
	wants(t, "range", err, "no matching subnet for range 192.0.2.0/24")
	_, err = Pools([]netip.Prefix{four}, nil, nil, map[string]netip.Addr{"a": far})
	wants(t, "aux", err, "no matching subnet for aux-address a=192.0.2.1")
}

func TestVolumeRequests(t *testing.T) {
	for request, want := range map[string]string{
		`{"Name":"tardis","Labels":{"a":"b"},"Driver":"local","DriverOpts":{"type":"tmpfs"}}`: "", `{}`: "",
		`{"Driver":"custom"}`: `error looking up volume plugin custom: plugin "custom" not found`, `{"ClusterVolumeSpec":{}}`: "it is a cluster's",
	} {
		var q VolumeRequest
		if err := json.Unmarshal([]byte(request), &q); err != nil {
			t.Fatal(err)
		}
		wants(t, request, CheckVolume(q), want)
	}
}

func TestConnectRequests(t *testing.T) {
	for request, want := range map[string]string{
		`{"Container":"c","EndpointConfig":{"IPAMConfig":{"IPv4Address":"172.24.56.89","IPv6Address":"2001:db8::5689"},"MacAddress":"02:42:ac:12:05:02","GwPriority":100,"Aliases":["a"]}}`: "front 172.24.56.89 2001:db8::5689 02:42:ac:12:05:02 100 [a]",
		`{"Container":"c"}`:                                           "front",
		`{"EndpointConfig":{"Links":["a:b"]}}`:                        "front invalid IP invalid IP 00:00:00:00:00:00 0 [] [a:b]",
		`{"EndpointConfig":{"IPAMConfig":{"IPv4Address":"fd00::1"}}}`: "invalid IPv4 address",
		`{"EndpointConfig":{"MacAddress":"01:00:5e:00:00:01"}}`:       "is not a valid mac address",
	} {
		var q ConnectRequest
		if err := json.Unmarshal([]byte(request), &q); err != nil {
			t.Fatal(err)
		}
		e, _, err := ConnectedEndpoint("front", q)
		if err != nil {
			wants(t, request, err, want)
			continue
		}
		if got := fmt.Sprint(e.Network, " ", e.IP, " ", e.IP6, " ", e.MAC, " ", e.Priority, " ", e.Aliases, " ", e.Links); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", request, got)
		}
	}
	var q ConnectRequest
	_ = json.Unmarshal([]byte(`{"EndpointConfig":{"Aliases":["a"]}}`), &q)
	_, _, err := ConnectedEndpoint("bridge", q)
	wants(t, "bridge", err, "network-scoped aliases are only supported for user-defined networks")
	_ = json.Unmarshal([]byte(`{"EndpointConfig":{"DriverOpts":{"a":"b"},"IPAMConfig":{"LinkLocalIPs":["169.254.1.1"]}}}`), &q)
	_, _, err = ConnectedEndpoint("bridge", ConnectRequest{EndpointConfig: &network.EndpointSettings{Links: []string{"a"}}})
	wants(t, "links on bridge", err, "--link is not supported")
	if _, warnings, err := ConnectedEndpoint("front", q); err != nil || len(warnings) != 2 {
		t.Error(warnings, err)
	}
}
