// Package sample holds schemas with instances of them, for benchmarks.
package sample

import (
	"fmt"
	"strings"
)

// A Load is a schema, a text that satisfies it, and the same text with an error.
type Load struct{ Name, Schema, Valid, Invalid string }

// Loads returns a tool call of eight fields, forty nested fields, and a hundred
// objects: about 200 bytes, 1 KB and 20 KB.
func Loads() []Load {
	hundred := make([]string, 100)
	for i := range hundred {
		hundred[i] = strings.Replace(payment, "2024-0815", fmt.Sprintf("2024-%04d", i), 1)
	}
	list := "[" + strings.Join(hundred, ",") + "]"
	return []Load{
		Payment(),
		{"medium", order, placed, strings.Replace(placed, `"count":12`, `"count":0`, 1)},
		{"large", `{"type":"array","items":` + paymentContract + `}`, list, strings.Replace(list, "129.95", "-1", 1)},
	}
}

// Payment returns the first of Loads.
func Payment() Load {
	return Load{"small", paymentContract, payment, strings.Replace(payment, "129.95", "-1", 1)}
}

// Receipt returns what a tool answers to Payment.
func Receipt() Load {
	return Load{"receipt", receiptContract, receipt, strings.Replace(receipt, "booked", "lost", 1)}
}

const paymentContract = `{
	"type": "object",
	"required": ["account", "amount", "currency"],
	"properties": {
		"account":   {"type": "string", "minLength": 15, "maxLength": 34},
		"amount":    {"type": "number", "exclusiveMinimum": 0, "maximum": 10000},
		"currency":  {"enum": ["EUR", "USD", "GBP"]},
		"reference": {"type": "string", "maxLength": 140},
		"urgent":    {"type": "boolean"},
		"copies":    {"type": "integer", "minimum": 1},
		"tags":      {"type": "array", "items": {"type": "string"}, "maxItems": 5},
		"note":      {"type": "string"}
	},
	"additionalProperties": false
}`

const payment = `{"account":"DE89370400440532013000","amount":129.95,"currency":"EUR",` +
	`"reference":"Invoice 2024-0815 for advice","urgent":false,"copies":3,"tags":["travel","approved"],"note":"pay before the 5th"}`

const receiptContract = `{
	"type": "object",
	"required": ["id", "state"],
	"properties": {
		"id":       {"type": "string", "pattern": "^pay-[0-9]{6}$"},
		"state":    {"enum": ["booked", "pending", "refused"]},
		"amount":   {"type": "number", "minimum": 0},
		"fee":      {"type": "number", "minimum": 0},
		"currency": {"enum": ["EUR", "USD", "GBP"]},
		"balance":  {"type": "number"},
		"retries":  {"type": "integer", "minimum": 0},
		"final":    {"type": "boolean"},
		"memo":     {"type": "string", "maxLength": 80}
	},
	"additionalProperties": false
}`

const receipt = `{"id":"pay-000815","state":"booked","amount":129.95,"fee":0.35,"currency":"EUR",` +
	`"balance":1870.05,"retries":0,"final":true,"memo":"x"}`

const person = `{
	"type": "object",
	"required": ["name", "email", "address"],
	"properties": {
		"name": {"type": "string", "minLength": 1, "maxLength": 80},
		"email": {"type": "string", "format": "email"},
		"phone": {"type": "string", "pattern": "^\\+[0-9]{6,15}$"},
		"born": {"type": "string", "format": "date"},
		"member": {"type": "boolean"},
		"address": {
			"type": "object",
			"required": ["street", "city", "country"],
			"properties": {
				"street": {"type": "string"}, "number": {"type": "integer", "minimum": 1},
				"city": {"type": "string"}, "zip": {"type": "string", "pattern": "^[0-9A-Z -]{3,10}$"},
				"country": {"enum": ["DE", "FR", "NL", "US"]}
			},
			"additionalProperties": false
		}
	},
	"additionalProperties": false
}`
const order = `{
	"type": "object",
	"required": ["id", "buyer", "seller", "lines", "total"],
	"properties": {
		"id": {"type": "string", "format": "uuid"},
		"placed": {"type": "string", "format": "date-time"},
		"buyer": {"$ref": "#/$defs/person"},
		"seller": {"$ref": "#/$defs/person"},
		"lines": {"type": "array", "minItems": 1, "maxItems": 20, "items": {
			"type": "object",
			"required": ["item", "count", "price"],
			"properties": {"item": {"type": "string"}, "count": {"type": "integer", "minimum": 1, "maximum": 1000},
				"price": {"type": "number", "minimum": 0}, "discount": {"anyOf": [{"type": "number", "maximum": 1}, {"type": "null"}]}},
			"additionalProperties": false
		}},
		"total": {"type": "number", "minimum": 0},
		"note": {"type": ["string", "null"]}
	},
	"additionalProperties": false,
	"$defs": {"person": ` + person + `}
}`
const someone = `{"name":"Ada Lovelace","email":"ada@example.com","phone":"+4930123456","born":"1985-12-10","member":true,` +
	`"address":{"street":"Unter den Linden","number":7,"city":"Berlin","zip":"10117","country":"DE"}}`
const line = `{"item":"Paper, A4, 80 g, 500 sheets","count":12,"price":4.95,"discount":null}`
const placed = `{"id":"7f2c1f0e-9a51-4d6c-8b1e-2f6f5d1c0a3b","placed":"2026-11-22T09:30:00Z","buyer":` + someone + `,"seller":` + someone +
	`,"lines":[` + line + `,` + line + `,` + line + `],"total":178.2,"note":"Leave it at the door"}`
