#!/bin/sh
# ModelScope-Agent's guides for Llama 3.1 and, with another model, for Qwen2: the call with curl.
curl --silent --show-error "${BASE_URL:-http://localhost:31512/v1}/chat/completions" \
  --header 'Content-Type: application/json' \
  --data '{
    "tools": [{
      "type": "function",
      "function": {
        "name": "amap_weather",
        "description": "amap weather tool",
        "parameters": [{
          "name": "location",
          "type": "string",
          "description": "城市/区具体名称，如`北京市海淀区`请描述为`海淀区`",
          "required": true
        }]
      }
    }],
    "tool_choice": "auto",
    "model": "'"${MODEL:-meta-llama/Meta-Llama-3.1-8B-Instruct}"'",
    "messages": [{"content": "海淀区天气", "role": "user"}]
  }'
