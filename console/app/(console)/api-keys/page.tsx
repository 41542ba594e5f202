export { ApiKeyList as default } from "@/features/api-keys/list";
