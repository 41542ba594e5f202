export { FlagList as default } from "@/features/flags/list";
