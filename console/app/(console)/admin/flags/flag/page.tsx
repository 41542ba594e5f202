export { FlagPage as default } from "@/features/flags/flag";
