package collector_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/safeconduct/evidence/collector"
	"example.com/safeconduct/evidence/record"
)

// What is read as lines is what was there, in order, in bounded batches.
func FuzzReadLines(f *testing.F) {
	f.Add([]byte("a\nb\n"), 10, false)
	f.Add([]byte("a\n\nb"), 2, true)
	f.Add(bytes.Repeat([]byte("x"), record.MaxEnvelope+2), 1, false)
	f.Add(bytes.Repeat([]byte("x"), record.MaxEnvelope+1), 1, false)
	f.Add(append(bytes.Repeat([]byte("x"), record.MaxEnvelope), '\n'), 1, false)
	f.Add(bytes.Repeat([]byte("\n"), 1000), 900, false)
	f.Fuzz(func(t *testing.T, body []byte, most int, slow bool) {
		var got [][]byte
		r := iotest.DataErrReader(bytes.NewReader(body))
		if slow {
			r = iotest.HalfReader(r)
		}
		err := collector.ReadLines(r, most, func(lines [][]byte) error {
			size := 0
			for _, line := range lines {
				size += len(line)
				if len(line) > record.MaxEnvelope || bytes.IndexByte(line, '\n') >= 0 {
					t.Errorf("a line of %d bytes", len(line))
				}
			}
			if len(lines) == 0 || len(lines) > collector.BatchRecords || size > collector.BatchBytes+record.MaxEnvelope {
				t.Errorf("a batch of %d lines, %d bytes", len(lines), size)
			}
			got = append(got, lines...)
			return nil
		})
		want := bytes.Split(body, []byte("\n"))
		if len(want[len(want)-1]) == 0 {
			want = want[:len(want)-1]
		}
		if err == nil && len(got) != len(want) {
			t.Errorf("got %d lines of %d, and no error", len(got), len(want))
		}
		for i, line := range got {
			if !bytes.Equal(line, want[i]) {
				t.Errorf("line %d differs", i)
			}
		}
		if len(got) > max(most, 0) {
			t.Errorf("got %d lines, and %d are taken", len(got), most)
		}
	})
}

// Whatever is posted, the answer is one that the document has, and the ledger
// verifies.
func FuzzPostRecords(f *testing.F) {
	envs := written(f, "prod", prodKey, 1)
	f.Add(lines(envs), ndjson, "")
	f.Add(lines(envs[1:3]), ndjson, "identity")
	f.Add(compress(f, lines(envs)), ndjson, "gzip")
	f.Add([]byte("{}\n"), "application/json", "br")
	dir := f.TempDir()
	c, err := collector.New(dir, collector.Config{Policy: policy, Clients: clients})
	if err != nil {
		f.Fatal(err)
	}
	defer c.Close()
	f.Fuzz(func(t *testing.T, body []byte, kind, encoding string) {
		req := httptest.NewRequest(http.MethodPost, "/v1/records", bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+prodAgent)
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Content-Encoding", encoding)
		w := httptest.NewRecorder()
		c.ServeHTTP(w, req)
		document(t).check(t, "POST", "/v1/records", &answer{status: w.Code, header: w.Header(), body: w.Body.Bytes()})
		if encoding == "gzip" && w.Code == http.StatusOK {
			if _, err := gzip.NewReader(bytes.NewReader(body)); err != nil {
				t.Errorf("got 200 for what is not gzip")
			}
		}
		if w.Code == http.StatusOK {
			s := &site{t: t, dir: dir}
			wantIntact(t, s.ledger("prod"), prodKey)
		}
	})
}

func FuzzParseClients(f *testing.F) {
	f.Add([]byte(`{"version":1,"clients":[{"name":"agent","sha256":"` + someHash + `","write":["prod"],"read":["*"]}]}`))
	f.Add([]byte(`{"version":1,"clients":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := collector.ParseClients(data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "collector: ") || errors.Unwrap(err) == nil {
				t.Errorf("got %v", err)
			}
			return
		}
		for _, cl := range got {
			if cl.Name == "" || cl.Key == (collector.KeyHash{}) {
				t.Errorf("got %+v", cl)
			}
		}
	})
}
