export { BackfillList as default } from "@/features/backfills/list";
