#!/bin/sh
# A vLLM tutorial: the chat call with curl.
curl --silent --show-error "${BASE_URL:-http://localhost:8000/v1}/chat/completions" \
  --header 'Content-Type: application/json' \
  --header 'Authorization: Bearer EMPTY' \
  --data '{
    "model": "'"${MODEL:-/dataset/Qwen1.5-0.5B-Chat/}"'",
    "messages": [
      {"role": "system", "content": "你是一个很有帮助的AI助手"},
      {"role": "user", "content": "2018年世界杯冠军是哪个国家?"},
      {"role": "assistant", "content": "法国。"},
      {"role": "user", "content": "决赛在哪里踢的？"}
    ],
    "max_tokens": 128
  }'
