// Go's macaroon.v2 over JSON lines: one command on each line of stdin, one answer on each line of stdout.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	macaroon "gopkg.in/macaroon.v2"
)

// Bytes travel as base64, which is how encoding/json reads []byte.
type command struct {
	Do         string   `json:"do"`
	Format     string   `json:"format"`
	Token      string   `json:"token"`
	Key        []byte   `json:"key"`
	Identifier []byte   `json:"identifier"`
	Location   string   `json:"location"`
	Predicates [][]byte `json:"predicates"`
	Discharges []string `json:"discharges"`
}

type answer struct {
	Token   string `json:"token,omitempty"`
	Permits bool   `json:"permits"`
	Error   string `json:"error,omitempty"`
}

func read(text string) (*macaroon.Macaroon, error) {
	var m macaroon.Macaroon
	if strings.HasPrefix(text, "{") {
		return &m, m.UnmarshalJSON([]byte(text))
	}
	raw, err := macaroon.Base64Decode([]byte(text))
	if err != nil {
		return nil, err
	}
	return &m, m.UnmarshalBinary(raw)
}

func write(m *macaroon.Macaroon, asJSON bool) (string, error) {
	if asJSON {
		raw, err := m.MarshalJSON()
		return string(raw), err
	}
	raw, err := m.MarshalBinary()
	return base64.RawURLEncoding.EncodeToString(raw), err
}

func verify(c command, m *macaroon.Macaroon) error {
	met := map[string]bool{}
	for _, predicate := range c.Predicates {
		met[string(predicate)] = true
	}
	var discharges []*macaroon.Macaroon
	for _, text := range c.Discharges {
		discharge, err := read(text)
		if err != nil {
			return err
		}
		discharges = append(discharges, discharge)
	}
	return m.Verify(c.Key, func(predicate string) error {
		if met[predicate] {
			return nil
		}
		return errors.New("not met")
	}, discharges)
}

func obey(c command) (answer, error) {
	var m *macaroon.Macaroon
	var err error
	asJSON := strings.HasPrefix(c.Token, "{")
	if c.Do == "mint" {
		version := macaroon.V2
		if c.Format == "1" {
			version = macaroon.V1
		}
		asJSON = c.Format == "2-JSON"
		m, err = macaroon.New(c.Key, c.Identifier, c.Location, version)
	} else {
		m, err = read(c.Token)
	}
	if err != nil {
		return answer{}, err
	}
	switch c.Do {
	case "mint":
	case "narrow":
		for _, predicate := range c.Predicates {
			if err := m.AddFirstPartyCaveat(predicate); err != nil {
				return answer{}, err
			}
		}
	case "entrust":
		if err := m.AddThirdPartyCaveat(c.Key, c.Identifier, c.Location); err != nil {
			return answer{}, err
		}
	case "bind":
		discharge, err := read(c.Discharges[0])
		if err != nil {
			return answer{}, err
		}
		discharge.Bind(m.Signature())
		m, asJSON = discharge, strings.HasPrefix(c.Discharges[0], "{")
	case "verify":
		if err := verify(c, m); err != nil {
			return answer{Error: err.Error()}, nil
		}
		return answer{Permits: true}, nil
	default:
		return answer{}, fmt.Errorf("no such command: %s", c.Do)
	}
	text, err := write(m, asJSON)
	return answer{Token: text}, err
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<24)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var c command
		var a answer
		err := json.Unmarshal(lines.Bytes(), &c)
		if err == nil {
			a, err = obey(c)
		}
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := answers.Encode(a); err != nil {
			panic(err)
		}
	}
}
